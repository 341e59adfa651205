"""Kubernetes' rules of field managers, small: who owns which field, and when an apply conflicts.

As documented under "Server-Side Apply":
- an apply (server side) owns the fields that it names. A field that another manager owns with another value
  is a conflict, and nothing is written. With the same value, both own it.
- an apply removes a field that the same manager applied before, now leaves out, and alone owns.
- any other write (client-side apply, patch, edit) owns what it changes, and takes it from the others;
- list items with a merge key (containers, env) are fields of their own; other lists are one field.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
Path = tuple[str, ...]
IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
KEYED = {"containers": "name", "initContainers": "name", "env": "name", "volumes": "name"}


class Conflict(Exception):
    """An apply that was refused: the fields, each with the managers that own it."""

    def __init__(self, owners: dict[Path, list[str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(path)} is owned by {names}" for path, names in owners.items()))
        self.owners = owners


def leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    """The fields of an object: scalars and plain lists by path, items of keyed lists by `name=…`."""
    if isinstance(value, dict):
        inner = [leaves(item, (*path, str(key))) for key, item in value.items()]
    elif isinstance(value, list) and path and path[-1] in KEYED:
        key = KEYED[path[-1]]
        inner = [leaves(item, (*path, f"{key}={item[key]}")) for item in value]
    else:
        return {path: value}
    return {name: leaf for part in inner for name, leaf in part.items()}


@dataclass
class Cluster:
    """Objects as fields, and the owners of each."""

    fields: dict[str, dict[Path, Any]] = field(default_factory=dict)
    owners: dict[str, dict[Path, list[str]]] = field(default_factory=dict)
    last: dict[tuple[str, str], dict[Path, Any]] = field(default_factory=dict)

    def server_side(self, body: Body, manager: str) -> None:
        """`kubectl apply --server-side --field-manager`. Raises Conflict."""
        name, wanted = _named(body)
        live, owners = self._object(name)
        taken = {
            path: others
            for path, value in wanted.items()
            if (others := [who for who in owners.get(path, []) if who != manager]) and live.get(path) != value
        }
        if taken:
            raise Conflict(taken)
        for path in [path for path, who in owners.items() if manager in who and path not in wanted]:
            owners[path].remove(manager)
            if not owners[path]:
                del owners[path], live[path]
        for path, value in wanted.items():
            live[path] = value
            owners[path] = sorted({*owners.get(path, []), manager})

    def client_side(self, body: Body, manager: str = "kubectl-client-side-apply") -> None:
        """`kubectl apply`: sets what differs, and removes what the last manifest of this manager had."""
        name, wanted = _named(body)
        before = self.last.get((name, manager), {})
        live, owners = self._object(name)
        for path in before.keys() - wanted.keys():
            live.pop(path, None)
            owners.pop(path, None)
        self._write(name, wanted, manager)
        self.last[name, manager] = wanted

    def patch(self, body: Body, manager: str = "kubectl-patch") -> None:
        """`kubectl patch`: sets what it names."""
        name, wanted = _named(body)
        self._write(name, wanted, manager)

    def value(self, body: Body, *path: str) -> Any:
        """The value of a field of the object that `body` names; None if there is none."""
        return self.fields[_named(body)[0]].get(path)

    def _write(self, name: str, wanted: dict[Path, Any], manager: str) -> None:
        live, owners = self._object(name)
        for path, value in wanted.items():
            if path not in live or live[path] != value:
                live[path], owners[path] = value, [manager]

    def _object(self, name: str) -> tuple[dict[Path, Any], dict[Path, list[str]]]:
        return self.fields.setdefault(name, {}), self.owners.setdefault(name, {})


def _named(body: Body) -> tuple[str, dict[Path, Any]]:
    meta = body["metadata"]
    fields = leaves(copy.deepcopy(body))
    return (
        f"{body['kind']} {meta['namespace']}/{meta['name']}",
        {path: value for path, value in fields.items() if path not in IDENTITY},
    )
