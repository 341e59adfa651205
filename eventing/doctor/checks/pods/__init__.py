"""Check pods: privileges, limits, probes, GPUs, folders, what they name, room for them, their weights."""
