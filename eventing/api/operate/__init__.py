"""Serve `/v1/operate`: what all owners share, for keys with the right to operate."""
