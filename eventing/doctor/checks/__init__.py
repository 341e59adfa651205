"""Check manifests: one file per subject, each with its rules (see findings.py)."""
