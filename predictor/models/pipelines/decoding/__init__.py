"""Turn latents into frames, chunk by chunk."""
