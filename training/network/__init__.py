"""The parts of the model and how they learn: text encoder, latents, transformer, optimisers."""
