"""Identify callers: API keys, OIDC tokens, and the origins of web pages."""
