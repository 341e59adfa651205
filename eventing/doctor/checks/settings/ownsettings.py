"""Check our own settings: their names, their values, the endpoints, the address that eventing listens to."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_settings import NoDecode

from eventing.contract.catalog import load_catalog
from eventing.contract.env import PREFIX
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifests, environment, items, near, number, section
from eventing.doctor.objects.ourpods import OurPod, our_pods, value_of, variables
from eventing.settings import Endpoint, Settings

BESIDE = ("api_key", "data_dir")  # what commands read, without being settings
LOOPBACK = ("127.0.0.1", "localhost", "::1")

SETTING_UNKNOWN = Rule(
    "setting-unknown", "warning",
    "the variable {name} is no setting of eventing",
    "it is ignored silently, and the setting that was meant keeps its default",
    "{mend}",
)  # fmt: skip
SETTING_REFUSED = Rule(
    "setting-refused", "error",
    "{name} is {value}: {problem}",
    "eventing refuses to start",
    "see {name} in docs/settings.md",
)  # fmt: skip
ENDPOINTS_BROKEN = Rule(
    "endpoints-broken", "error",
    "REELZERO_ENDPOINTS cannot be read: {problem}",
    "eventing refuses to start",
    "write a JSON list of objects with model, lane, url and capacity; each model and lane once",
)  # fmt: skip
MODEL_UNKNOWN = Rule(
    "model-unknown", "error",
    "{name} is {model}, which no catalog has",
    "the process refuses to start",
    "name one of {known}, or add an entry to the catalog",
)  # fmt: skip
PORT_DIFFERS = Rule(
    "port-differs", "error",
    "REELZERO_PORT is {port}, and the container's port is {own}",
    "the probes and the Service ask a port where nothing listens",
    "set both to the same number",
)  # fmt: skip
LISTENS_ON_LOOPBACK = Rule(
    "listens-on-loopback", "error",
    "REELZERO_HOST is {host}",
    "neither the kubelet's probes nor the Service reach eventing, and its pods never become ready",
    "set REELZERO_HOST to 0.0.0.0, or to :: for IPv6",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on our pods."""
    for pod in our_pods(manifests):
        if not pod.main:
            continue
        if not pod.is_predictor:
            yield from _names(pod)
            yield from _values(pod)
            yield from _endpoints(manifests, pod)
            yield from _address(manifests, pod)
        else:
            yield from _model(manifests, pod)


def _names(pod: OurPod) -> Iterator[Finding]:
    own = set(Settings.model_fields)
    for variable in variables(pod.main):
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in own and name not in BESIDE:
            close = difflib.get_close_matches(name, own, n=1, cutoff=0.75)
            mend = f"did you mean {PREFIX}{close[0].upper()}?" if close else "remove it; see docs/settings.md"
            yield SETTING_UNKNOWN.at(pod, name=variable, mend=mend)


def _values(pod: OurPod) -> Iterator[Finding]:
    for variable, value in environment(pod.main).items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name in Settings.model_fields and value and name != "endpoints":
            problem = _problem(name, value)
            if problem:
                yield SETTING_REFUSED.at(pod, name=variable, value=value, problem=problem)


def _problem(name: str, value: str) -> str | None:
    """Return what is wrong with the value of one setting, None if nothing is."""
    field = Settings.model_fields[name]
    if any(isinstance(mark, NoDecode) or mark is NoDecode for mark in field.metadata):
        return None  # a list of texts
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return None


def _endpoints(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    text = value_of(manifests, pod, "REELZERO_ENDPOINTS")
    if not text:
        return
    try:
        endpoints = TypeAdapter(tuple[Endpoint, ...]).validate_python(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        yield ENDPOINTS_BROKEN.at(pod, problem=f"{where}: {first['msg']}" if where else first["msg"])
        return
    except (ValueError, TypeError) as error:
        yield ENDPOINTS_BROKEN.at(pod, problem=f"it is no JSON: {error}")
        return
    lanes = [(endpoint.model, endpoint.lane) for endpoint in endpoints]
    twice = [lane for lane in lanes if lanes.count(lane) > 1]
    if twice:
        yield ENDPOINTS_BROKEN.at(pod, problem=f"{'/'.join(twice[0])} is in it twice")


def _address(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    ports = [item.get("containerPort") for item in items(pod.main, "ports")]
    port = number(value_of(manifests, pod, "REELZERO_PORT")) or 8080
    if ports and port not in ports:
        yield PORT_DIFFERS.at(pod, port=port, own=ports[0])
    host = environment(pod.main).get("REELZERO_HOST")
    if host in LOOPBACK:
        yield LISTENS_ON_LOOPBACK.at(pod, host=host)


def _model(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    model = environment(pod.main).get("REELZERO_MODEL")
    folder = environment(pod.main).get("REELZERO_CATALOG_DIR")
    maps = [item for item in manifests.kind("ConfigMap") if near(item.namespace, pod.namespace)]
    added = {key.removesuffix(".yaml") for item in maps for key in map(str, section(item.body, "data"))}
    known = {*load_catalog().names(), *added}
    if model and model not in known and (not folder or maps):
        names = ", ".join(load_catalog().names())
        yield MODEL_UNKNOWN.at(pod, name="REELZERO_MODEL", model=model, known=names)
