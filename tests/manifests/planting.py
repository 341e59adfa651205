"""Plant mistakes: the chart's present output with one small change, and the rule that must find it.

The tables are in `planted/`, a file for each group. An entry has these keys:

    rule    the rule that must find it
    also    other rules that the same change must trigger, since the mistake breaks their subject too
    what    the mistake in words
    values  the value set that it changes; gpu-cogvideox if absent
    set     object: {path: value}; the steps of a path are separated by " / "
    drop    object: [path]
    remove  [object]
    add     [whole objects]
    seen    the public issue that describes people who made this mistake

An object is named by its kind and its name, which may have `*` in it. A step into a list is a
number, the `name` or `port` of an item, or `+` for a new one.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from config.render import ROOT, plain
from tests.manifests.test_config import kustomize
from tests.manifests.value_sets import VALUE_SETS

PLANTED = Path(__file__).parent / "planted"
Object = dict[str, Any]


@dataclass(frozen=True)
class Mistake:
    """One entry of a table."""

    group: str
    rule: str
    what: str
    values: str = "gpu-cogvideox"
    also: list[str] = field(default_factory=list)
    set: dict[str, dict[str, Any]] = field(default_factory=dict)
    drop: dict[str, list[str]] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    add: list[Object] = field(default_factory=list)
    seen: str = ""

    def __str__(self) -> str:
        return f"{self.group}: {self.rule}: {self.what}"


def mistakes() -> list[Mistake]:
    """All entries of all tables."""
    files = sorted(PLANTED.glob("*.yaml"))
    return [
        Mistake(path.stem, **entry) for path in files for entry in yaml.safe_load(path.read_text("utf-8"))
    ]


@cache
def platform() -> list[Object]:
    """What an administrator applies, and the activator as it is then."""
    patch = yaml.safe_load((ROOT / "config/platform/activator-grace.yaml").read_text(encoding="utf-8"))
    head = {"apiVersion": "apps/v1", "kind": "Deployment"}
    meta = {"metadata": {"name": "activator", "namespace": "knative-serving"}}
    return [*kustomize("platform"), head | meta | patch]


@cache
def rendered(name: str) -> list[Object]:
    """The objects of a value set, each with its namespace."""
    return plain(copy.deepcopy(VALUE_SETS[name]))


def planted(mistake: Mistake) -> list[Object]:
    """The platform and the value set with the mistake in them."""
    bodies = copy.deepcopy([*platform(), *rendered(mistake.values)])
    for name, changes in mistake.set.items():
        for body in _named(bodies, name):
            for path, value in changes.items():
                _change(body, path, value)
    for name, paths in mistake.drop.items():
        for body in _named(bodies, name):
            for path in paths:
                _drop(body, path)
    gone = [body for name in mistake.remove for body in _named(bodies, name)]
    return [body for body in bodies if body not in gone] + copy.deepcopy(mistake.add)


def _named(bodies: list[Object], name: str) -> list[Object]:
    matches = [body for body in bodies if fnmatchcase(f"{body['kind']} {body['metadata']['name']}", name)]
    assert matches, f"the chart makes no {name}"
    return matches


def _change(body: Object, path: str, value: Any) -> None:
    *way, last = path.split(" / ")
    inside: Any = body
    for step in way:
        inside = inside.setdefault(step, {}) if isinstance(inside, dict) else inside[_index(inside, step)]
    if last == "+":
        inside.append(value)
    else:
        inside[last if isinstance(inside, dict) else _index(inside, last)] = copy.deepcopy(value)


def _drop(body: Object, path: str) -> None:
    *way, last = path.split(" / ")
    inside: Any = body
    for step in way:
        inside = inside[step] if isinstance(inside, dict) else inside[_index(inside, step)]
    del inside[last if isinstance(inside, dict) else _index(inside, last)]


def _index(items: list[Any], step: str) -> int:
    if step.isdigit() and int(step) < len(items):
        return int(step)
    return [str(item.get("name", item.get("port"))) for item in items].index(step)
