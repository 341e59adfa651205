"""Checks of manifests before they are applied, and of a live installation."""
