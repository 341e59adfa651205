"""The values are documented, the schema knows exactly them, and the settings are the services' own."""

from __future__ import annotations

import json
from typing import Any

import yaml

from config.render import CHART, render
from config.values_table import documented
from eventing.contract.catalog import load_catalog
from eventing.settings import Settings
from predictor.settings import PredictorSettings
from tests.manifests.value_sets import model

VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
SET_BY_THE_CHART = {
    "predictor_token",
    "host",
    "port",
    "database_url",
    "source",
    "public_url",
    "endpoints",
    "step_endpoints",
    "steps_dir",
    "catalog_dir",
    "sink_url",
    "progress_events",
    "webhook_secrets",
    "webhook_allow",
    "trusted_sources",
    "oidc_issuer",
    "oidc_audience",
    "oidc_owners",
    "oidc_jwks_url",
    "oidc_ca_file",
    "oidc_token_file",
    "log_level",
    "s3_bucket",
    "s3_endpoint",
    "s3_public_endpoint",
    "s3_region",
    "auth",  # open is for one machine: it refuses to listen on a cluster's addresses
}
PREDICTOR_SET_BY_THE_CHART = {
    "mark",
    "mark_certificate",
    "mark_key",
    "mark_prompts",
    "predictor_token",
    "engine_token",  # of a Secret, by extraEnv
    "model",
    "model_dir",
    "device",
    "scratch_dir",
    "catalog_dir",
    "log_level",
    "predictor_host",
    "s3_bucket",
    "s3_endpoint",
    "s3_public_endpoint",
    "s3_region",
}


def test_both_services_get_the_variables_of_opentelemetry() -> None:
    otel = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER_ARG": 0.1}
    bodies = render(model() | {"telemetry": {"otlpEndpoint": "http://c:4317", "otel": otel}})
    named = {
        body["kind"]: {item["name"]: item.get("value") for item in variables}
        for body in bodies
        for variables in containers_of(body)
    }
    wanted = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }
    for kind in ("Deployment", "InferenceService"):
        assert wanted.items() <= named[kind].items()


def containers_of(body: Any) -> list[Any]:
    """The variables of every container of an object."""
    if isinstance(body, list):
        return [variables for item in body for variables in containers_of(item)]
    if not isinstance(body, dict):
        return []
    mine = [body["env"]] if isinstance(body.get("env"), list) else []
    return mine + [variables for value in body.values() for variables in containers_of(value)]


def leaves(value: Any, path: str = "") -> set[str]:
    if not isinstance(value, dict) or not value or path == "modelDefaults.resources":
        return {path}
    return {leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}".strip("."))}


def test_every_value_is_documented() -> None:
    said = {path for path, _ in documented((CHART / "values.yaml").read_text(encoding="utf-8"))}
    missing = {
        leaf
        for leaf in leaves(VALUES)
        if not any(leaf == path or leaf.startswith(path + ".") for path in said)
    }
    assert not missing


def test_the_schema_refuses_what_it_does_not_know() -> None:
    def check(schema: Any, at: str) -> None:
        if isinstance(schema, dict):
            if "properties" in schema and isinstance(schema["properties"], dict):
                assert schema.get("additionalProperties") is False, at
            for key, inner in schema.items():
                check(inner, f"{at}/{key}")

    check(SCHEMA, "")


def test_the_schema_knows_every_value() -> None:
    def check(values: dict[str, Any], schema: dict[str, Any], at: str) -> None:
        for key, value in values.items():
            assert key in schema["properties"], f"{at}{key}"
            inner = schema["properties"][key]
            if isinstance(value, dict) and "properties" in inner:
                check(value, inner, f"{at}{key}.")

    check(VALUES, SCHEMA, "")


def test_settings_are_those_of_the_services() -> None:
    eventing = set(SCHEMA["properties"]["eventing"]["properties"]["settings"]["properties"])
    assert eventing == Settings.model_fields.keys() - SET_BY_THE_CHART
    item = SCHEMA["properties"]["models"]["items"]["properties"]["settings"]["properties"]
    assert set(item) == PredictorSettings.model_fields.keys() - PREDICTOR_SET_BY_THE_CHART


def test_the_chart_knows_the_catalog() -> None:
    known = yaml.safe_load((CHART / "files" / "catalog.yaml").read_text(encoding="utf-8"))
    assert sorted(known) == load_catalog().names()
