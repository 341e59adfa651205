"""What KServe and Knative install by default, one row per minor version: the values that their webhooks use.

Data only. The rows were read from the releases:

- KServe: `install/vX.Y.Z/kserve.yaml` of kserve/kserve, ConfigMap `kserve/inferenceservice-config`, parts
  `inferenceService`, `storageInitializer` and `security`. 0.14 has no part `inferenceService`; its defaulter
  has the same four values as constants.
- Knative Serving: `config/core/configmaps/defaults.yaml` of knative/serving (the documented values are the
  defaults; nothing but `_example` is set), and `config/core/deployments/activator.yaml`.
- The Kafka Broker: `kafka-broker-config` of knative-extensions/eventing-kafka-broker.
- Kourier: `config/300-gateway.yaml` and `config/200-config.yaml` of knative-extensions/net-kourier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KServe:
    """The defaults of one minor version of KServe."""

    release: str
    modelcar: bool = True  # storageInitializer.enableModelcar
    modelcar_uid: int | None = 1010  # storageInitializer.uidModelcar
    cpu: str = "1"  # inferenceService.resource, requests and limits alike
    memory: str = "2Gi"
    fetch_requests: tuple[str, str] = ("100m", "100Mi")  # CPU and memory of the storage initializer
    fetch_limits: tuple[str, str] = ("1", "1Gi")


KSERVE = {
    "0.14": KServe("0.14.1", modelcar=False, modelcar_uid=None),
    "0.15": KServe("0.15.2"),
    "0.16": KServe("0.16.0"),
    "0.17": KServe("0.17.0"),
    "0.18": KServe("0.18.0"),
    "0.19": KServe("0.19.0"),
    "0.20": KServe("0.20.0"),
    "0.21": KServe("0.21.0"),
}


@dataclass(frozen=True)
class Knative:
    """The defaults of one minor version of Knative Serving (config-defaults) and its newest keys."""

    timeout: int = 300  # revision-timeout-seconds
    maximum: int = 600  # max-revision-timeout-seconds
    response_start: int = 300  # revision-response-start-timeout-seconds
    idle: int = 0  # revision-idle-timeout-seconds; 0 is no limit
    concurrency: int = 0  # container-concurrency; 0 is no limit
    service_links: bool = False  # enable-service-links
    always_schedulable: bool = True  # config-deployment knows pod-is-always-schedulable


KNATIVE = {
    **{f"1.{minor}": Knative(always_schedulable=False) for minor in range(16, 21)},
    **{f"1.{minor}": Knative() for minor in range(21, 24)},
}  # from the oldest that docs/install names to the newest known here

ACTIVATOR_GRACE = 600

KAFKA_BROKER = {
    "bootstrap.servers": "my-cluster-kafka-bootstrap.kafka:9092",
    "default.topic.partitions": "10",
    "default.topic.replication.factor": "3",
}  # data of kafka-broker-config, which the Kafka Broker installs


def config_map(name: str, namespace: str, data: dict[str, str]) -> dict[str, Any]:
    """Return a ConfigMap."""
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


EXAMPLE = {"_example": "# every documented key, as a comment of the release"}


def serving_configs() -> list[dict[str, Any]]:
    """Return the ConfigMaps of Knative Serving and Kourier as every supported version installs them."""
    names = ("defaults", "autoscaler", "features", "deployment", "network", "kourier")
    return [config_map(f"config-{name}", "knative-serving", EXAMPLE) for name in names]


def activator() -> dict[str, Any]:
    """Return the activator's Deployment, as far as a person may want to change it."""
    container = {"name": "activator", "env": [{"name": "GOGC", "value": "500"}]}
    return _deployment("activator", "knative-serving", container, ACTIVATOR_GRACE)


def kourier_gateway() -> dict[str, Any]:
    """Return Kourier's gateway: its drain is a sleep before Envoy is ended."""
    drain = "curl -X POST http://localhost:9901/drain_listeners?graceful; sleep $DRAIN_TIME_SECONDS"
    container = {
        "name": "kourier-gateway",
        "args": ["--drain-time-s $(DRAIN_TIME_SECONDS)", "--drain-strategy immediate"],
        "env": [{"name": "DRAIN_TIME_SECONDS", "value": "15"}],
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", drain]}}},
    }
    return _deployment("3scale-kourier-gateway", "kourier-system", container, 30)


def _deployment(name: str, namespace: str, container: dict[str, Any], grace: int) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"terminationGracePeriodSeconds": grace, "containers": [{"image": "stock", **container}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
