"""Serve HTTP: one folder per protocol. `answers/problems.py` answers every error."""
