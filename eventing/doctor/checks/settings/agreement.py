"""Check that eventing and predictors agree: buckets, tokens, catalogs, endpoints, protocols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Body, Manifests, dig, environment, items, near, section
from eventing.doctor.objects.ourpods import OurPod, our_pods, value_of, variables
from eventing.doctor.objects.workloads import served

WHERE = {"REELZERO_S3_BUCKET": "reelzero", "REELZERO_S3_ENDPOINT": "", "REELZERO_S3_REGION": "us-east-1"}
TOKEN, CATALOG = "REELZERO_PREDICTOR_TOKEN", "REELZERO_CATALOG_DIR"
ADDRESSES = (
    "REELZERO_S3_ENDPOINT",
    "REELZERO_SINK_URL",
    "REELZERO_DATABASE_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)
HTTP_PORT, GRPC_PORT = 8080, 8081  # of the predictor, as the chart sets them

TWO_BUCKETS = Rule(
    "two-buckets", "error",
    "{name} is {value}, and {eventing} has {other}",
    "the predictor writes results where eventing does not look: every job fails at its end",
    "set {name} to the same value on both sides",
)  # fmt: skip
TWO_TOKENS = Rule(
    "two-tokens", "error",
    f"{TOKEN} is {{value}}, and {{eventing}} has {{other}}",
    "predictors refuse every job with 401",
    "take the token from the same key of the same Secret on both sides",
)  # fmt: skip
TWO_CATALOGS = Rule(
    "two-catalogs", "error",
    "its catalog is ConfigMap {value}, and {eventing} has {other}",
    "both sides compute other time limits: one gives up while the other still works",
    "mount the same ConfigMap on both sides",
)  # fmt: skip
CATALOG_NOT_MOUNTED = Rule(
    "catalog-not-mounted", "error",
    f"{CATALOG} is {{folder}}, and no volume is mounted there",
    "the models and budgets of your catalog are not known to it",
    "mount the catalog's ConfigMap at {folder}",
)  # fmt: skip
ENDPOINT_ADDRESS = Rule(
    "endpoint-address", "error",
    "the endpoint of {model} is {url}: {problem}",
    "no job of it reaches a predictor",
    "write it as http://<service>-predictor.<namespace>.svc.<cluster domain>, without port and path",
)  # fmt: skip
ENDPOINT_OTHER_MODEL = Rule(
    "endpoint-other-model", "error",
    "jobs of {model} go to {workload}, which serves {other}",
    "the predictor refuses every job of {model}",
    "name the InferenceService of {model} in REELZERO_ENDPOINTS",
)  # fmt: skip
ENDPOINT_TO_GRPC = Rule(
    "endpoint-to-grpc", "error",
    "jobs of {model} go to {workload}, whose port is h2c",
    "eventing uses HTTP/1, and Knative answers 502 or closes the connection",
    "name the HTTP service of the model in REELZERO_ENDPOINTS",
)  # fmt: skip
PORT_PROTOCOL = Rule(
    "port-protocol", "error",
    "its port {port} is named {name}",
    "Knative talks {name} to a server that does not understand it there: no request succeeds",
    "name port 8080 http1 and port 8081 h2c",
)  # fmt: skip
ADDRESS_ON_LOOPBACK = Rule(
    "address-on-loopback", "error",
    "{name} is {value}",
    "in a pod that is the pod itself, where nothing like it listens",
    "name the Service: http://<service>.<namespace>:<port>",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    pods = [pod for pod in our_pods(manifests) if pod.main]
    for pod in pods:
        yield from _catalog(pod)
        yield from _addresses(manifests, pod)
        if pod.workload is not None:
            yield from _protocol(pod)
        if pod.is_predictor:
            for one in pods:
                if not one.is_predictor and near(one.namespace, pod.namespace):
                    yield from _pair(manifests, pod, one)
    yield from _endpoints(manifests)


def _pair(manifests: Manifests, predictor: OurPod, eventing: OurPod) -> Iterator[Finding]:
    for name, default in WHERE.items() if not predictor.is_step else ():
        both = [variables(pod.main).get(name, {}) for pod in (predictor, eventing)]
        mine, theirs = (_known(value_of(manifests, pod, name), default) for pod in (predictor, eventing))
        if not any("valueFrom" in one for one in both) and mine != theirs:
            yield TWO_BUCKETS.at(
                predictor, name=name, value=mine or "not set", eventing=eventing, other=theirs or "none"
            )
    mine, theirs = (_origin(variables(pod.main).get(TOKEN, {})) for pod in (predictor, eventing))
    if mine != theirs:
        yield TWO_TOKENS.at(predictor, value=mine, eventing=eventing, other=theirs)
    maps = [_catalog_map(pod) for pod in (predictor, eventing)]
    if all(maps) and maps[0] != maps[1]:
        yield TWO_CATALOGS.at(predictor, value=maps[0], eventing=eventing, other=maps[1])


def _known(value: Any, default: str) -> str:
    return str(value or default).rstrip("/")


def _origin(variable: Body) -> str:
    """Return where a variable comes from, in words that are the same for the same source."""
    reference = section(variable, "valueFrom", "secretKeyRef")
    if reference:
        return f"key {reference.get('key')} of Secret {reference.get('name')}"
    return "a plain value" if variable.get("value") else "not set" if not variable else "from elsewhere"


def _catalog_map(pod: OurPod) -> Any:
    """Return the name of the ConfigMap that is mounted as the catalog."""
    folder = environment(pod.main).get(CATALOG, "")
    names = [
        mount.get("name") for mount in items(pod.main, "volumeMounts") if mount.get("mountPath") == folder
    ]
    volumes = [volume for volume in items(pod.spec, "volumes") if volume.get("name") in names]
    return dig(volumes[0], "configMap", "name") if folder and volumes else None


def _catalog(pod: OurPod) -> Iterator[Finding]:
    folder = environment(pod.main).get(CATALOG, "")
    paths = [str(mount.get("mountPath")).rstrip("/") for mount in items(pod.main, "volumeMounts")]
    if folder and not any(f"{folder}/".startswith(f"{path}/") for path in paths):
        yield CATALOG_NOT_MOUNTED.at(pod, folder=folder)


def _addresses(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    for name in ADDRESSES:
        value = str(value_of(manifests, pod, name) or "")
        host = value.partition("://")[2].partition("/")[0].rpartition("@")[2]
        alone = len(items(pod.spec, "containers")) == 1
        if alone and host.startswith(("localhost", "127.", "[::1]")):
            yield ADDRESS_ON_LOOPBACK.at(pod, name=name, value=value)


def _protocol(pod: OurPod) -> Iterator[Finding]:
    for port in items(pod.main, "ports"):
        wrong = ((HTTP_PORT, "h2c"), (GRPC_PORT, "http1"))
        if (port.get("containerPort"), port.get("name")) in wrong:
            yield PORT_PROTOCOL.at(pod, port=port["containerPort"], name=port["name"])


def _endpoints(manifests: Manifests) -> Iterator[Finding]:
    for item, endpoint, workload in served(manifests):
        problem = _problem(endpoint.url)
        if problem:
            yield ENDPOINT_ADDRESS.at(item, model=endpoint.model, url=endpoint.url, problem=problem)
        if workload is None:
            continue
        if workload.model and workload.model != endpoint.model:
            yield ENDPOINT_OTHER_MODEL.at(item, model=endpoint.model, workload=workload, other=workload.model)
        if any(port.get("name") == "h2c" for port in items(workload.container, "ports")):
            yield ENDPOINT_TO_GRPC.at(item, model=endpoint.model, workload=workload)


def _problem(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return "it has no scheme"
    inside = ".svc" in (parts.hostname or "") or (parts.hostname or "").count(".") < 2
    if inside and parts.scheme == "https":
        return "Knative's gateway takes no TLS inside the cluster, unless system-internal-tls is on"
    if inside and parts.netloc.rpartition(":")[2] not in ("80", parts.netloc):
        return "Knative's gateway listens to port 80 alone"
    return "eventing adds the path of the predictor itself" if parts.path.strip("/") else None
