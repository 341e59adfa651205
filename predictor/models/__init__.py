"""Check weights on disk, load them, and run one pipeline per diffusers family."""
