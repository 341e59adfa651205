"""Kubernetes' and the CustomResourceDefinitions' own schemas, as strict as a strict API server.

The definitions are not part of this repository: REELZERO_TEST_CRDS names their folder, else
`../shared/crds` is tried.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as kubernetes_schemas

from tests.manifests import keda_schema, monitoring_schema

ROOT = Path(__file__).parents[2]
CRDS = Path(os.environ.get("REELZERO_TEST_CRDS", ROOT.parent / "shared" / "crds"))
KUBERNETES = ("1.29", "1.37")  # the oldest the chart allows, and the newest known here
NO_SCHEMA = {"PodMonitor", "HTTPRoute"}  # other projects' definitions, which are not at hand
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # KServe's definition has 2 MB
# The package reads all definitions of a version again for each object; that takes longer than to validate it.
kubernetes_schemas.schema_contents = cache(kubernetes_schemas.schema_contents)
kubernetes_schemas.all_versions = cache(kubernetes_schemas.all_versions)


def need_crds() -> None:
    """Skip, saying so, where the definitions are not at hand."""
    if not CRDS.is_dir():
        pytest.skip(f"no CustomResourceDefinitions in {CRDS}; set REELZERO_TEST_CRDS")


@cache
def crds() -> dict[tuple[str, str], jsonschema.Draft202012Validator]:
    """Strict validators by (apiVersion, kind)."""
    own = keda_schema.SCHEMAS | monitoring_schema.SCHEMAS  # until a definition is at hand
    found = {key: jsonschema.Draft202012Validator(schema) for key, schema in own.items()}
    for path in sorted(CRDS.glob("*.yaml")):
        spec = yaml.load(path.read_text(encoding="utf-8"), Loader)["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"], top=True)
            key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
            found[key] = jsonschema.Draft202012Validator(schema)
    return found


def validate(body: dict[str, Any]) -> int:
    """Validate one object; returns against how many schemas. AssertionError names object and field."""
    return _validate(json.dumps(body))


@cache  # many value sets share most of their objects
def _validate(text: str) -> int:
    body = json.loads(text)
    key = body["apiVersion"], body["kind"]
    try:
        if key in crds():
            crds()[key].validate(body)
            return 1
        for version in KUBERNETES:
            kubernetes_validate.validate(body, version, strict=True)
        return len(KUBERNETES)
    except kubernetes_validate.SchemaNotFoundError:
        assert body["kind"] in NO_SCHEMA, f"no schema for {key}"
        return 0
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        where = "/".join(str(step) for step in error.path)
        raise AssertionError(
            f"{body['kind']} {body['metadata']['name']}: {where}: {error.message}"
        ) from error


def _strict(schema: Any, top: bool = False) -> Any:
    """A structural schema as JSON Schema: unknown fields are errors unless they are preserved."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: _strict(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        out["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        if top:  # the API server adds these to every definition
            out["properties"] |= {
                "apiVersion": {"type": "string"},
                "kind": {},
                "metadata": {"type": "object"},
            }
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            out.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        out["type"] = ["integer", "string"]
        out.pop("anyOf", None)
    if schema.get("nullable") and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out
