"""How the model shapes-tiny is made: clips, captions, text encoder, latents, transformer, evaluation."""
