"""What a check says: which object, what would go wrong, how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `rule` is its stable name, `consequence` what it leads to."""

    rule: str
    severity: Severity
    where: str
    consequence: str
    remedy: str
