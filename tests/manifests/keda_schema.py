"""What KEDA 2 takes of a ScaledObject and a TriggerAuthentication, as strict schemas in our own words.

Its CustomResourceDefinitions leave the parameters of a scaler open: a map of texts. KEDA checks those when it
makes the scaler, so the parameters of the two scalers that the chart uses are listed here too.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
NUMBER: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
FLAG: Schema = {"enum": ["true", "false"]}


def record(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with these fields and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def object_of(kind: str, spec: Schema) -> Schema:
    """A whole object of KEDA's API group."""
    fields = {"apiVersion": {"const": "keda.sh/v1alpha1"}, "kind": {"const": kind}, "spec": spec}
    return record(("spec",), **fields, metadata={"type": "object"})


RULES = record(
    stabilizationWindowSeconds=COUNT | {"maximum": 3600},
    selectPolicy={"enum": ["Max", "Min", "Disabled"]},
    policies={
        "type": "array",
        "items": record(
            ("type", "value", "periodSeconds"),
            type={"enum": ["Pods", "Percent"]},
            value=COUNT | {"minimum": 1},
            periodSeconds=COUNT | {"minimum": 1, "maximum": 1800},
        ),
    },
)
SCALERS = {
    "postgresql": record(
        ("query", "targetQueryValue"),
        query=TEXT, targetQueryValue=NUMBER, activationTargetQueryValue=NUMBER, connectionFromEnv=TEXT,
        host=TEXT, port=TEXT, userName=TEXT, passwordFromEnv=TEXT, dbName=TEXT, sslmode=TEXT,
    ),
    "prometheus": record(
        ("serverAddress", "query", "threshold"),
        serverAddress={"type": "string", "pattern": "^https?://"},
        query=TEXT, threshold=NUMBER, activationThreshold=NUMBER, namespace=TEXT, customHeaders=TEXT,
        queryParameters=TEXT, ignoreNullValues=FLAG, unsafeSsl=FLAG, timeout=TEXT, authModes=TEXT,
    ),
}  # fmt: skip
OTHERS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def trigger(kind: Schema, metadata: Schema) -> Schema:
    """A trigger of this kind, with the parameters of its scaler."""
    return record(
        ("type", "metadata"),
        type=kind,
        metadata=metadata,
        name=TEXT,
        metricType={"enum": ["AverageValue", "Value"]},
        useCachedMetrics={"type": "boolean"},
        authenticationRef=record(
            ("name",), name=TEXT, kind={"enum": ["TriggerAuthentication", "ClusterTriggerAuthentication"]}
        ),
    )


TRIGGER: Schema = {
    "oneOf": [
        *(trigger({"const": name}, metadata) for name, metadata in SCALERS.items()),
        trigger(TEXT | {"not": {"enum": list(SCALERS)}}, OTHERS),
    ]
}
SCALED_OBJECT = object_of(
    "ScaledObject",
    record(
        ("scaleTargetRef", "triggers"),
        scaleTargetRef=record(("name",), name=TEXT, apiVersion=TEXT, kind=TEXT, envSourceContainerName=TEXT),
        pollingInterval=COUNT,
        cooldownPeriod=COUNT,
        initialCooldownPeriod=COUNT,
        idleReplicaCount=COUNT,
        minReplicaCount=COUNT,
        maxReplicaCount=COUNT | {"minimum": 1},
        fallback=record(("failureThreshold", "replicas"), failureThreshold=COUNT, replicas=COUNT),
        advanced=record(
            restoreToOriginalReplicaCount={"type": "boolean"},
            horizontalPodAutoscalerConfig=record(name=TEXT, behavior=record(scaleUp=RULES, scaleDown=RULES)),
        ),
        triggers={"type": "array", "minItems": 1, "items": TRIGGER},
    ),
)
TRIGGER_AUTHENTICATION = object_of(
    "TriggerAuthentication",
    record(
        secretTargetRef={
            "type": "array",
            "items": record(("parameter", "name", "key"), parameter=TEXT, name=TEXT, key=TEXT),
        }
    ),
)
SCHEMAS = {
    ("keda.sh/v1alpha1", "ScaledObject"): SCALED_OBJECT,
    ("keda.sh/v1alpha1", "TriggerAuthentication"): TRIGGER_AUTHENTICATION,
}
