"""Serve `/v1/usage`: what jobs have used and cost, as JSON, CSV or a picture."""
