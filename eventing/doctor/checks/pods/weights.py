"""Check that images and weights can be fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Body, Manifest, Manifests, environment, items, section
from eventing.doctor.objects.ourpods import OurPod, here, our_pods

KSERVE = "serving.kserve.io/"
SCHEMES = (
    "gs://",
    "s3://",
    "pvc://",
    "file://",
    "https://",
    "http://",
    "hdfs://",
    "webhdfs://",
    "oci://",
    "hf://",
)
STORAGE_MOUNT = "/mnt/models"
UNRESOLVED = "kind.local,ko.local,dev.local"  # Knative's default of registries-skipping-tag-resolving
ON_THE_NODE = ("localhost", "127.0.0.1", *UNRESOLVED.split(","))
LONGEST_LABEL = 63

IMAGE_NOT_RESOLVABLE = Rule(
    "image-not-resolvable", "error",
    "Knative's controller cannot ask a registry for image {image}",
    "it resolves every tag to a digest before it makes a pod, and the revision fails",
    "push the image to a registry that the controller reaches, or list {registry} under"
    " registries-skipping-tag-resolving in ConfigMap knative-serving/config-deployment",
)  # fmt: skip
NAME_TOO_LONG = Rule(
    "name-too-long", "error",
    "its name makes the DNS label {label}, which has {length} characters of 63",
    "KServe makes no service for it",
    "shorten its name by {over} characters",
)  # fmt: skip
WEIGHTS_SCHEME = Rule(
    "weights-scheme", "error",
    "STORAGE_URI is {uri}, and KServe loads no such address",
    "KServe refuses the object, or injects nothing and /mnt/models stays empty",
    "use one of {schemes}",
)  # fmt: skip
WEIGHTS_ELSEWHERE = Rule(
    "weights-elsewhere", "error",
    "STORAGE_URI is set, and REELZERO_MODEL_DIR is {folder}",
    "KServe puts the weights into /mnt/models, where the predictor does not look",
    "set REELZERO_MODEL_DIR to /mnt/models",
)  # fmt: skip
WEIGHTS_ENDPOINT = Rule(
    "weights-endpoint", "error",
    "{field} is {value}: {problem}",
    "the container that fetches the weights asks the wrong server, and the pod never starts",
    "{mend}",
)  # fmt: skip
MODELCAR_OFF = Rule(
    "modelcar-off", "error",
    "STORAGE_URI is {uri}, and enableModelcar is off in ConfigMap inferenceservice-config",
    "KServe does not mount weights from images, and /mnt/models stays empty",
    "set enableModelcar: true in its storageInitializer part",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on the predictors."""
    for pod in our_pods(manifests):
        if pod.workload is not None:
            yield from _image(manifests, pod)
            yield from _name(pod)
            yield from _weights(manifests, pod)


def _image(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    image = str(pod.main.get("image") or "")
    registry = image.partition("/")[0] if "/" in image else ""
    configured = manifests.config("config-deployment") or {}
    skipped = str(configured.get("registries-skipping-tag-resolving") or UNRESOLVED).split(",")
    unreachable = not registry or registry.partition(":")[0] in ON_THE_NODE
    if image and "@" not in image and unreachable and (registry or "index.docker.io") not in skipped:
        yield IMAGE_NOT_RESOLVABLE.at(pod, image=image, registry=registry or "index.docker.io")


def _name(pod: OurPod) -> Iterator[Finding]:
    if pod.workload is not None and pod.workload.is_inference_service:
        label = "-".join(filter(None, (pod.workload.address, pod.namespace)))
        if len(label) > LONGEST_LABEL:
            over = len(label) - LONGEST_LABEL
            yield NAME_TOO_LONG.at(pod, label=label, length=len(label), over=over)


def _weights(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    uri = environment(pod.main).get("STORAGE_URI", "")
    if not uri:
        return
    folder = environment(pod.main).get("REELZERO_MODEL_DIR", STORAGE_MOUNT)
    if not uri.startswith(SCHEMES):
        yield WEIGHTS_SCHEME.at(pod, uri=uri, schemes=", ".join(SCHEMES))
    if not f"{folder}/".startswith(f"{STORAGE_MOUNT}/"):
        yield WEIGHTS_ELSEWHERE.at(pod, folder=folder)
    if (
        uri.startswith("oci://")
        and kserve_config(manifests, "storageInitializer").get("enableModelcar") is False
    ):
        yield MODELCAR_OFF.at(pod, uri=uri)
    if uri.startswith("s3://"):
        yield from _endpoint(manifests, pod)


def kserve_config(manifests: Manifests, name: str) -> Body:
    """Return a part of KServe's ConfigMap, empty if it is not here or broken."""
    text = (manifests.config("inferenceservice-config", "kserve") or {}).get(name)
    try:
        part: Any = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return part if isinstance(part, dict) else {}


def _endpoint(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    name = pod.spec.get("serviceAccountName")
    for account in here(manifests, "ServiceAccount", pod.namespace):
        if account.name == name:
            secrets = [str(item.get("name")) for item in items(account.body, "secrets")]
            yield from _annotated(pod, account, beside_a_secret=bool(secrets))
            for secret in here(manifests, "Secret", pod.namespace):
                if secret.name in secrets:
                    yield from _annotated(pod, secret, beside_a_secret=False)


def _annotated(pod: OurPod, item: Manifest, beside_a_secret: bool) -> Iterator[Finding]:
    value = section(item.body, "metadata", "annotations").get(f"{KSERVE}s3-endpoint")
    field = f"the annotation {KSERVE}s3-endpoint of {item}"
    if value and beside_a_secret:
        problem = "KServe reads it from the Secret where the ServiceAccount names one"
        yield WEIGHTS_ENDPOINT.at(
            pod, field=field, value=value, problem=problem, mend="annotate the Secret instead"
        )
    elif "://" in str(value):
        problem = "it has a scheme, and older versions of KServe put one before it"
        mend = f"write host and port alone, and set {KSERVE}s3-usehttps"
        yield WEIGHTS_ENDPOINT.at(pod, field=field, value=value, problem=problem, mend=mend)
