"""Declare Prometheus metrics, and those that both services have: HTTP, S3, volumes, certificates, build."""
