"""Rewrite the list of rules in docs/doctor.md from the doctor's own registry.

Call it as `python -m tests.support.rules_page`.
"""

from __future__ import annotations

from pathlib import Path

from eventing.doctor.findings import Rule
from eventing.doctor.registry import MODULES, rules_of

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
MARK, END = "<!-- rules -->\n", "\n<!-- end -->"


def paragraph(rule: Rule) -> str:
    """One rule as it is listed."""
    general = rule.in_general()
    return (
        f"**`{rule.id}`** ({rule.severity}): {general.what}.\n"
        f"*Leads to:* {general.leads_to}.\n*Mend it:* {general.mend}.\n"
    )


def listing() -> str:
    """All rules, under the purpose of the file that holds them."""
    lines = []
    for module in MODULES:
        lines.append(f"### {(module.__doc__ or '').splitlines()[0].rstrip('.')}\n")
        lines += [paragraph(rule) for rule in rules_of(module)]
    return "\n".join(lines).rstrip()


def filled(text: str) -> str:
    """The page with its list made again."""
    before, rest = text.split(MARK, 1)
    return f"{before}{MARK}\n{listing()}\n{rest[rest.index(END) :]}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
