"""The result of a check: which object, what would go wrong, how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One mistake. `rule` is its stable name; `consequence` is the effect if it stays."""

    rule: str
    severity: Severity
    where: str
    consequence: str
    remedy: str
