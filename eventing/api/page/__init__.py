"""Serve the web pages and their files."""
