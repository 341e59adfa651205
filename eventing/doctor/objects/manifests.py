"""Parse manifests and look things up in them. The checks are in other files.

A missing field reads as empty, because the manifests are often only a part of the installation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import yaml

from eventing.contract.budget import Budget
from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest, MalformedRequest
from eventing.settings import Endpoint

Body = dict[str, Any]
SERVING = "knative-serving"
# The C one reads ten times faster. As in a cluster, a date is text and so is a bare = (tag "value").
Loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
for tag in ("timestamp", "value"):
    Loader.add_constructor(f"tag:yaml.org,2002:{tag}", Loader.construct_yaml_str)


def dig(body: Any, *path: str) -> Any:
    """Return the value at a path of keys, or None."""
    for step in path:
        body = body.get(step) if isinstance(body, dict) else None
    return body


def section(body: Any, *path: str) -> Body:
    """Return the mapping at a path, empty if there is none."""
    value = dig(body, *path)
    return value if isinstance(value, dict) else {}


def items(body: Any, *path: str) -> list[Body]:
    """Return the mappings in the list at a path."""
    value = dig(body, *path)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def listed(value: Any) -> list[Any]:
    """Return a list, empty for anything else."""
    return value if isinstance(value, list) else []


def environment(container: Body) -> dict[str, str]:
    """Return the variables of a container by name; a variable set by reference is empty."""
    return {str(env.get("name")): str(env.get("value") or "") for env in items(container, "env")}


def number(value: Any) -> int | None:
    """Read a whole number, also one written as text; None for anything else."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def decimal(value: Any) -> float | None:
    """Read a number, also one written as text; None for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def seconds(text: Any) -> float | None:
    """Read a Go duration such as 600s, 10m or 1h30m as seconds; None for anything else."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([hms])", str(text or ""))
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return sum(float(value) * {"h": 3600, "m": 60, "s": 1}[unit] for value, unit in parts)


@dataclass(frozen=True)
class Manifest:
    """One object of a cluster, the file it was read from, and the line where it starts there."""

    body: Body
    source: str = ""
    line: int = 0

    @property
    def kind(self) -> str:
        """Return its kind."""
        return str(self.body.get("kind", ""))

    @property
    def group(self) -> str:
        """Return its API group, empty for the core group."""
        return str(self.body.get("apiVersion", "")).rpartition("/")[0]

    @property
    def name(self) -> str:
        """Return its name."""
        return str(dig(self.body, "metadata", "name") or "")

    @property
    def namespace(self) -> str:
        """Return its namespace; empty if the manifest names none."""
        return str(dig(self.body, "metadata", "namespace") or "")

    @property
    def spec(self) -> Body:
        """Return its spec."""
        return section(self.body, "spec")

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class View:
    """A view of one object. It stands where the object stands, and has its name."""

    manifest: Manifest

    @property
    def source(self) -> str:
        """Return the file it was read from."""
        return self.manifest.source

    @property
    def line(self) -> int:
        """Return the line where its object starts there."""
        return self.manifest.line

    def __str__(self) -> str:
        return str(self.manifest)


def near(one: str, other: str) -> bool:
    """Tell whether two namespaces may be the same; manifests often name none."""
    return "" in (one, other) or one == other


def service_at(url: str) -> tuple[str, str]:
    """Return name and namespace of the Service in a cluster-internal URL; both empty for other URLs."""
    name, namespace, *rest = [*url.partition("://")[2].partition("/")[0].partition(":")[0].split("."), ""]
    return (name, namespace) if rest[:1] in ([], [""], ["svc"]) else ("", "")


@dataclass(frozen=True)
class Manifests:
    """All objects of the manifests."""

    objects: tuple[Manifest, ...]

    def kind(self, kind: str, group: str | None = None) -> list[Manifest]:
        """Return the objects of a kind, in one API group if `group` is set."""
        return [item for item in self._by_kind.get(kind, ()) if group in (None, item.group)]

    @cached_property  # each of the checks asks for several kinds
    def _by_kind(self) -> dict[str, list[Manifest]]:
        kinds: dict[str, list[Manifest]] = {}
        for item in self.objects:
            kinds.setdefault(item.kind, []).append(item)
        return kinds

    def config(self, name: str, namespace: str = SERVING) -> Body | None:
        """Return the data of a ConfigMap, None if it is not here.

        The namespace matters: Knative Eventing uses some of the same names.
        """
        maps = [
            item for item in self.kind("ConfigMap") if item.name == name and near(item.namespace, namespace)
        ]
        return section(maps[0].body, "data") if maps else None

    def budget(self, model: str | None, namespace: str) -> Budget | None:
        """Return a model's budget, from a catalog ConfigMap in its namespace or from this package."""
        if model is None:
            return None
        for item in self.kind("ConfigMap"):
            entry = _entry(section(item.body, "data").get(f"{model}.yaml"))
            if entry is not None and entry.name == model and near(item.namespace, namespace):
                return entry.budget
        try:
            return load_catalog().get(model).budget
        except InvalidRequest:
            return None

    def endpoints(self, deployment: Manifest) -> tuple[Endpoint, ...]:
        """Read REELZERO_ENDPOINTS of a Deployment, also by reference to a ConfigMap of the manifests."""
        return _endpoints(self._list(deployment, "REELZERO_ENDPOINTS"))

    def step_endpoints(self, deployment: Manifest) -> tuple[Endpoint, ...]:
        """Read REELZERO_STEP_ENDPOINTS in the same way, each with its name as the model."""
        return _endpoints(
            [
                {"model": item["name"], "url": item["url"], "capacity": item["capacity"]}
                for item in self._list(deployment, "REELZERO_STEP_ENDPOINTS")
                if isinstance(item, dict) and {"name", "url", "capacity"} <= item.keys()
            ]
        )

    def _list(self, deployment: Manifest, name: str) -> list[Any]:
        """Return the JSON list of a variable; empty if it is none."""
        for container in items(deployment.spec, "template", "spec", "containers"):
            for env in items(container, "env"):
                if env.get("name") == name:
                    return _json_list(self._value(env, deployment.namespace))
        return []

    def setting(self, deployment: Manifest, name: str) -> str:
        """Return a variable of a Deployment's containers; empty unless it is set as a plain value."""
        containers = items(deployment.spec, "template", "spec", "containers")
        return next(filter(None, (environment(container).get(name) for container in containers)), "")

    def _value(self, env: Body, namespace: str) -> Any:
        reference = section(env, "valueFrom", "configMapKeyRef")
        if reference:
            data = self.config(str(reference.get("name")), namespace) or {}
            return data.get(str(reference.get("key")))
        return env.get("value")


def parse(texts: Iterable[tuple[str, str]]) -> Manifests:
    """Parse (name, YAML text) pairs; a List counts as its items. Raises MalformedRequest naming the file."""
    return Manifests(tuple(item for name, text in texts for item in _objects(name, text)))


def _objects(name: str, text: str) -> Iterator[Manifest]:
    try:
        documents = list(_documents(text))
    except yaml.YAMLError as error:
        raise MalformedRequest(f"{name} is not YAML: {error}") from error
    for body, node in documents:
        if body is None:
            continue
        if not isinstance(body, dict) or "kind" not in body:
            raise MalformedRequest(f"{name} holds a document that is no Kubernetes object: it has no kind")
        if body["kind"] == "List":
            yield from (Manifest(item, name, line) for item, line in _listed(body, node))
        else:
            yield Manifest(body, name, _line(node))


def _documents(text: str) -> Iterator[tuple[Any, yaml.Node]]:
    """Yield each document with its node, which knows the line."""
    loader = Loader(text)
    while loader.check_node():
        node: yaml.Node = loader.get_node()
        yield loader.construct_document(node), node


def _listed(body: Body, node: yaml.Node) -> Iterator[tuple[Body, int]]:
    values = node.value if isinstance(node, yaml.MappingNode) else []
    nodes: list[yaml.Node] = next((value.value for key, value in values if key.value == "items"), [])
    for item, inner in zip(body.get("items") or [], nodes, strict=False):
        if isinstance(item, dict):
            yield item, _line(inner)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _entry(text: Any) -> CatalogEntry | None:
    return _parsed(text) if isinstance(text, str) else None


@lru_cache(maxsize=256)  # each check asks for budgets again
def _parsed(text: str) -> CatalogEntry | None:
    try:
        return validated(CatalogEntry, yaml.load(text, Loader))  # noqa: S506 - a safe one
    except (yaml.YAMLError, InvalidRequest):
        return None


def _json_list(value: Any) -> list[Any]:
    try:
        return listed(json.loads(value or "[]"))
    except (ValueError, TypeError):
        return []


def _endpoints(entries: list[Any]) -> tuple[Endpoint, ...]:
    try:
        return tuple(Endpoint.model_validate(entry) for entry in entries)
    except ValueError:
        return ()
