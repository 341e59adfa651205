"""Train the model shapes-tiny: clips, captions, text encoder, latents, transformer, evaluation."""
