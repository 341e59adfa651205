"""Manifests, parsed once: all objects of some files, and the ways the checks look things up in them.

Nothing here judges. Missing fields read as empty, because a manifest is often only a part of the truth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from eventing.contract.budget import Budget
from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.errors import InvalidRequest, MalformedRequest
from eventing.settings import Endpoint

Body = dict[str, Any]
SERVING = "knative-serving"


def dig(body: Any, *path: str) -> Any:
    """The value at a path of keys, or None."""
    for step in path:
        body = body.get(step) if isinstance(body, dict) else None
    return body


def section(body: Any, *path: str) -> Body:
    """The mapping at a path, empty if there is none."""
    found = dig(body, *path)
    return found if isinstance(found, dict) else {}


def items(body: Any, *path: str) -> list[Body]:
    """The mappings of the list at a path."""
    found = dig(body, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def environment(container: Body) -> dict[str, str]:
    """The variables of a container by name; those that come by reference are empty."""
    return {str(env.get("name")): str(env.get("value") or "") for env in items(container, "env")}


def number(value: Any) -> int | None:
    """A whole number, as manifests write it: also as text; None if it is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def decimal(value: Any) -> float | None:
    """A number with or without a fraction, also as text; None if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def seconds(text: Any) -> float | None:
    """Seconds of a Go duration such as 600s, 10m or 1h30m; None if it is none."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([hms])", str(text or ""))
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return sum(float(value) * {"h": 3600, "m": 60, "s": 1}[unit] for value, unit in parts)


@dataclass(frozen=True)
class Manifest:
    """One object of a cluster."""

    body: Body

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body.get("kind", ""))

    @property
    def group(self) -> str:
        """Its API group, empty for the core."""
        return str(self.body.get("apiVersion", "")).rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its name."""
        return str(dig(self.body, "metadata", "name") or "")

    @property
    def namespace(self) -> str:
        """Its namespace; empty if the file leaves it open."""
        return str(dig(self.body, "metadata", "namespace") or "")

    @property
    def spec(self) -> Body:
        """Its spec."""
        return section(self.body, "spec")

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


def near(one: str, other: str) -> bool:
    """Whether two namespaces may be one: files often leave them open."""
    return "" in (one, other) or one == other


def service_at(url: str) -> tuple[str, str]:
    """Name and namespace of the Service that a URL inside the cluster names; empty where it names none."""
    name, namespace, *rest = [*url.partition("://")[2].partition("/")[0].partition(":")[0].split("."), ""]
    return (name, namespace) if rest[:1] in ([], [""], ["svc"]) else ("", "")


@dataclass(frozen=True)
class Manifests:
    """All objects at hand."""

    objects: tuple[Manifest, ...]

    def kind(self, kind: str, group: str | None = None) -> list[Manifest]:
        """Objects of a kind, in one API group if given."""
        return [item for item in self.objects if item.kind == kind and group in (None, item.group)]

    def config(self, name: str, namespace: str = SERVING) -> Body | None:
        """The data of a ConfigMap, None if it is not at hand. Knative Eventing has some of the same names."""
        found = [
            item for item in self.kind("ConfigMap") if item.name == name and near(item.namespace, namespace)
        ]
        return section(found[0].body, "data") if found else None

    def budget(self, model: str | None, namespace: str) -> Budget | None:
        """A model's budget, from a catalog ConfigMap beside it or from the catalog of this package."""
        if model is None:
            return None
        for item in self.kind("ConfigMap"):
            entry = _entry(section(item.body, "data").get(f"{model}.yaml"))
            if entry is not None and entry.name == model and near(item.namespace, namespace):
                return entry.time_budget()
        try:
            return load_catalog().get(model).time_budget()
        except InvalidRequest:
            return None

    def endpoints(self, deployment: Manifest) -> tuple[Endpoint, ...]:
        """REELZERO_ENDPOINTS of a Deployment, also by reference to a ConfigMap at hand."""
        for container in items(deployment.spec, "template", "spec", "containers"):
            for env in items(container, "env"):
                if env.get("name") == "REELZERO_ENDPOINTS":
                    return _endpoints(self._value(env, deployment.namespace))
        return ()

    def eventing(self) -> list[Manifest]:
        """Deployments that run the eventing service: they are told their endpoints."""
        return [item for item in self.kind("Deployment") if _has_env(item, "REELZERO_ENDPOINTS")]

    def setting(self, deployment: Manifest, name: str) -> str:
        """A variable of a Deployment's containers; empty if it is not given as a plain value."""
        containers = items(deployment.spec, "template", "spec", "containers")
        return next(filter(None, (environment(container).get(name) for container in containers)), "")

    def _value(self, env: Body, namespace: str) -> Any:
        reference = section(env, "valueFrom", "configMapKeyRef")
        if reference:
            data = self.config(str(reference.get("name")), namespace) or {}
            return data.get(str(reference.get("key")))
        return env.get("value")


def parse(texts: Iterable[tuple[str, str]]) -> Manifests:
    """All objects in (name, YAML text) pairs, Lists opened. Raises MalformedRequest naming the file."""
    return Manifests(tuple(item for name, text in texts for item in _objects(name, text)))


def _objects(name: str, text: str) -> Iterator[Manifest]:
    try:
        bodies = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise MalformedRequest(f"{name} is not YAML: {error}") from error
    for body in bodies:
        if body is None:
            continue
        if not isinstance(body, dict) or "kind" not in body:
            raise MalformedRequest(f"{name} holds something that is no Kubernetes object (no kind)")
        yield from (Manifest(item) for item in (items(body, "items") if body["kind"] == "List" else [body]))


def _entry(text: Any) -> CatalogEntry | None:
    try:
        return CatalogEntry.model_validate(yaml.safe_load(text)) if isinstance(text, str) else None
    except (yaml.YAMLError, ValidationError):
        return None


def _endpoints(value: Any) -> tuple[Endpoint, ...]:
    try:
        return tuple(Endpoint.model_validate(item) for item in json.loads(value or "[]"))
    except (ValueError, TypeError):
        return ()


def _has_env(item: Manifest, name: str) -> bool:
    containers = items(item.spec, "template", "spec", "containers")
    return any(name in environment(container) for container in containers)
