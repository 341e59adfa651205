"""Ports for processes that bind them later, or again."""

from __future__ import annotations

import random

from eventing.standalone.process import is_free

RANGE = range(16_000, 32_000)  # below what systems hand out to those who ask for any


def free_port() -> int:
    """A port that is free, and that nobody is given meanwhile. Not by a seed, which others may use too."""
    while not is_free(port := random.SystemRandom().choice(RANGE)):
        pass
    return port
