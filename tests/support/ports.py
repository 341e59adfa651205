"""Ports for processes that bind them later, or again."""

from __future__ import annotations

import random

from eventing.standalone.processes.process import is_free

RANGE = range(16_000, 32_000)  # below what systems hand out to those who ask for any


def free_port() -> int:
    """Return a free port that no other call returns. Random without a seed, which runs may share."""
    while not is_free(port := random.SystemRandom().choice(RANGE)):
        pass
    return port
