"""Serve `/v1/stories` and `/v1/step-types`: submit, read, follow, change, cancel, fetch the files."""
