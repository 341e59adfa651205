"""Rewrite the lists in docs/doctor.md from the doctor's own code: its rules, and the rights of --live.

Call it as `python -m tests.support.rules_page`.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from eventing.doctor.clusters.resources import EVERYWHERE, SINGLE, WHERE_OURS, Single
from eventing.doctor.findings import Rule
from eventing.doctor.registry import MODULES, rules_of

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
NAMESPACE = "video"


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


def roles() -> list[dict[str, Any]]:
    """The Roles that --live needs: one in our namespace, and one in each namespace of the platform."""
    own = [
        {"apiGroups": [group], "resources": sorted({item.plural for item in items}), "verbs": ["list"]}
        for group, items in groupby(sorted({*EVERYWHERE, *WHERE_OURS}, key=_group), key=_group)
    ]
    theirs = groupby(sorted(SINGLE, key=lambda one: one.namespace), key=lambda one: one.namespace)
    return [_role(NAMESPACE, own), *(_role(place, _named(list(singles))) for place, singles in theirs)]


def rights() -> str:
    """The same as YAML for the page."""
    text = yaml.safe_dump_all(roles(), sort_keys=False, default_flow_style=None, width=110)
    return f"```yaml\n{text}```"


def filled(text: str) -> str:
    """The page with its lists made again."""
    text = _between(text, "<!-- rights -->\n", "<!-- end rights -->", f"\n{rights()}\n\n")
    return _between(text, "<!-- rules -->\n", "\n<!-- end -->", f"\n{listing()}\n")


def _group(item: Any) -> str:
    return str(item.group)


def _role(namespace: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    meta = {"name": "reelzero-doctor", "namespace": namespace}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules}


def _named(singles: list[Single]) -> list[dict[str, Any]]:
    resources = sorted({single.resource for single in singles}, key=str)
    return [
        {
            "apiGroups": [resource.group],
            "resources": [resource.plural],
            "resourceNames": sorted(single.name for single in singles if single.resource == resource),
            "verbs": ["get"],
        }
        for resource in resources
    ]


def _between(text: str, start: str, end: str, filling: str) -> str:
    before, rest = text.split(start, 1)
    return f"{before}{start}{filling}{rest[rest.index(end) :]}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
