"""Serve HTTP: one file per protocol (jobs, videos, inference, ingress); problems.py answers every error."""
