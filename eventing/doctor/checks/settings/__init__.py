"""Check our own settings, their agreement, refused fields and network policies."""
