"""Serve `/events`: incoming CloudEvents and dead letters become jobs."""
