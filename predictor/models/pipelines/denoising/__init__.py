"""Follow the steps of a pipeline: progress, previews, caches."""
