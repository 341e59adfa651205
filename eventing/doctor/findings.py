"""Define a rule and the finding that it leads to.

How to add a rule:

1. Write a constant `NAME_OF_IT = Rule(id, severity, what, leads_to, mend)` in the file of its check, above
   the function that yields `NAME_OF_IT.at(item, name=value)`. `item` is a Manifest or a Workload. Texts may
   hold `{name}`, which `at` fills in; the list of rules shows NAME instead. A literal brace is written twice.
2. A new file has a function `check(manifests)` and its place in `MODULES` of `registry.py`, which collects
   all rules by itself.
3. Put a manifest with this mistake alone into `tests/manifests/mistakes/ID.yaml`; a test demands one for
   each rule.
4. Write docs/doctor.md again: `python -m tests.support.rules_page`.

Ask `workloads` (or `predictors`, in any deployment mode), `ours.eventing`, and the functions `triggers`,
`brokers` and `bindings` of `subscriptions.py` for the objects to check: they return only what is ours. A rule
is never about a neighbour's object.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import Literal, Protocol

Severity = Literal["error", "warning"]


class Place(Protocol):
    """An object in a file. Its text names it for a person."""

    @property
    def source(self) -> str:
        """Return the file's name, empty if it came from elsewhere."""

    @property
    def line(self) -> int:
        """Return its first line in the file, counted from 1; 0 if it came from elsewhere."""


@dataclass(frozen=True)
class Finding:
    """One mistake: the rule's name, which object, what is wrong, the effect if it stays, how to mend it."""

    rule: str
    severity: Severity
    where: str
    what: str
    consequence: str
    remedy: str
    source: str = ""
    line: int = 0


@dataclass(frozen=True)
class Rule:
    """One kind of mistake. `id` is stable: people ignore rules by it."""

    id: str
    severity: Severity
    what: str
    leads_to: str
    mend: str

    def at(self, item: Place, part: str = "", /, **values: object) -> Finding:
        """Return a finding at an object. `part` names the part of it, such as ` container main`."""
        what, leads_to, mend = (text.format(**values) for text in (self.what, self.leads_to, self.mend))
        where = f"{item}{part}"
        return Finding(self.id, self.severity, where, what, leads_to, mend, item.source, item.line)

    def in_general(self) -> Rule:
        """Return the rule with names in capitals in place of values."""
        return Rule(self.id, self.severity, *(_general(t) for t in (self.what, self.leads_to, self.mend)))


def _general(text: str) -> str:
    parts = Formatter().parse(text)
    return "".join(before + (name or "").upper() for before, name, _, _ in parts)
