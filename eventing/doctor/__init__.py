"""What would go wrong, found before it does: checks of manifests, later of a live installation."""
