"""Serve `/v1/jobs` and `/v1/groups`: submit, read, follow, cancel, delete."""
