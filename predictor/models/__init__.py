"""Weights on disk and in memory, and one pipeline per diffusers family."""
