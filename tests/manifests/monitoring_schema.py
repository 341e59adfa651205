"""What the Prometheus operator takes of a PrometheusRule, as a strict schema in our own words."""

from __future__ import annotations

from tests.manifests.keda_schema import TEXT, Schema, record

DURATION: Schema = {
    "type": "string",
    "pattern": r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$",
}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
RULE = record(
    ("expr",),
    alert=TEXT, record=TEXT, expr={"type": ["integer", "string"]}, labels=TEXTS, annotations=TEXTS,
    **{"for": DURATION, "keep_firing_for": DURATION},
)  # fmt: skip
GROUP = record(
    ("name",),
    name=TEXT,
    interval=DURATION,
    limit={"type": "integer"},
    rules={"type": "array", "items": RULE},
)
PROMETHEUS_RULE = record(
    ("spec",),
    apiVersion={"const": "monitoring.coreos.com/v1"},
    kind={"const": "PrometheusRule"},
    metadata={"type": "object"},
    spec=record(groups={"type": "array", "items": GROUP}),
)
SCHEMAS = {("monitoring.coreos.com/v1", "PrometheusRule"): PROMETHEUS_RULE}
