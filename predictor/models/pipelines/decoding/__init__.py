"""Decode latents to frames piece by piece along time, so that no clip of floats is ever whole in memory.

`pieces.py` has what streams are made of, `tiles.py` joins tiles. The other files run the decoder of one VAE
of diffusers, whose own call takes the whole clip.
"""
