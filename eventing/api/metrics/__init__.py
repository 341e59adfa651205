"""Serve Prometheus metrics, and where those of this machine's predictors are."""
