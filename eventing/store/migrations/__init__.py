"""Alembic's scripts, run by `reelzero migrate` and at the start of the one-machine edition."""
