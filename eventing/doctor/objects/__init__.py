"""Parse manifests and give views of them: workloads, pods, subscriptions, policies."""
