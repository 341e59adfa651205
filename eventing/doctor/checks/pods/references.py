"""Check that what a pod names is there: volumes, accounts, Secrets, ConfigMaps and their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Body, Manifest, Manifests, dig, items, near, section
from eventing.doctor.objects.ourpods import OurPod, here, our_pods
from eventing.doctor.objects.ours import labelled

MADE_BY_THE_CLUSTER = ("kube-root-ca.crt", "openshift-service-ca.crt")
TO_OURS = ("variable REELZERO_ENDPOINTS", "volume catalog")
MISSING = "{field} names {kind} {name}, and the manifests have others of this namespace but not this one"

MOUNT_WITHOUT_VOLUME = Rule(
    "mount-without-volume", "error",
    "volumeMounts names {name}, and the pod has no such volume",
    "Kubernetes refuses the pod",
    "add the volume, or remove the mount",
)  # fmt: skip
MOUNT_TWICE = Rule(
    "mount-twice", "error",
    "volumeMounts has {path} twice",
    "Kubernetes refuses the pod: a path can be mounted once",
    "give each volume a path of its own",
)  # fmt: skip
ACCOUNT_MISSING = Rule(
    "account-missing", "warning",
    MISSING,
    "without it no pod is made, and only the ReplicaSet says so",
    "correct {field}, or create the ServiceAccount",
)  # fmt: skip
SECRET_MISSING = Rule(
    "secret-missing", "warning",
    MISSING,
    "without it the pod stays in CreateContainerConfigError",
    "correct {field}, or create the Secret",
)  # fmt: skip
MAP_MISSING = Rule(
    "map-missing", "warning",
    MISSING,
    "without it the pod does not start",
    "correct {field}, or create the ConfigMap",
)  # fmt: skip
KEY_MISSING = Rule(
    "key-missing", "error",
    "{field} wants the key {key}, which {kind} {name} does not have",
    "the pod does not start",
    "name one of its keys: {keys}",
)  # fmt: skip
VARIABLE_TWICE = Rule(
    "variable-twice", "error",
    "the variable {name} is set twice",
    "the last one wins silently, and server-side apply refuses the object",
    "keep one of them",
)  # fmt: skip
SELECTOR_DIFFERS = Rule(
    "selector-differs", "error",
    "spec.selector.matchLabels has {labels}, which its pods' labels do not have",
    "Kubernetes refuses the Deployment",
    "give the pods the labels of the selector",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on our pods."""
    for pod in our_pods(manifests):
        for container in pod.containers:
            yield from _mounts(pod, container)
            yield from _variables(manifests, pod, container)
        yield from _volumes(manifests, pod)
        yield from _account(manifests, pod)
        if pod.workload is None:
            yield from _selector(pod)


def _mounts(pod: OurPod, container: Body) -> Iterator[Finding]:
    part = f" container {container.get('name')}"
    volumes = [volume.get("name") for volume in items(pod.spec, "volumes")]
    mounts = items(container, "volumeMounts")
    for mount in mounts:
        if mount.get("name") not in volumes:
            yield MOUNT_WITHOUT_VOLUME.at(pod, part, name=mount.get("name"))
    for path, count in Counter(str(mount.get("mountPath")).rstrip("/") for mount in mounts).items():
        if count > 1:
            yield MOUNT_TWICE.at(pod, part, path=path)


def _variables(manifests: Manifests, pod: OurPod, container: Body) -> Iterator[Finding]:
    part = f" container {container.get('name')}"
    variables = items(container, "env")
    for name, count in Counter(str(variable.get("name")) for variable in variables).items():
        if count > 1:
            yield VARIABLE_TWICE.at(pod, part, name=name)
    for variable in variables:
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            reference = section(variable, "valueFrom", field)
            where = f"variable {variable.get('name')}"
            if reference.get("optional") is not True:
                yield from _there(manifests, pod, kind, reference.get("name"), where, reference.get("key"))


def _volumes(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    for volume in items(pod.spec, "volumes"):
        where = f"volume {volume.get('name')}"
        for source in (volume, *items(volume, "projected", "sources")):
            for field, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
                reference = section(source, field)
                name = reference.get("secretName") or reference.get("name")
                for key in [item.get("key") for item in items(reference, "items")] or [None]:
                    if reference.get("optional") is not True:
                        yield from _there(manifests, pod, kind, name, where, key)


def _account(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    name = pod.spec.get("serviceAccountName")
    if name != "default":
        yield from _there(manifests, pod, "ServiceAccount", name, "serviceAccountName", None)


def _there(
    manifests: Manifests, pod: OurPod, kind: str, name: Any, field: str, key: Any
) -> Iterator[Finding]:
    """Check one reference. Where the manifests have no object of the kind, they say nothing about it.

    Our own ConfigMaps are always among them, and others may be elsewhere: ours count where they are meant.
    """
    known = here(manifests, kind, pod.namespace)
    if kind == "ConfigMap" and field not in TO_OURS:
        known = [item for item in known if not labelled(item)]
    if not name or not known or name in MADE_BY_THE_CLUSTER:
        return
    named = [
        item for item in manifests.kind(kind) if item.name == name and near(item.namespace, pod.namespace)
    ]
    if not named:
        rule = {"Secret": SECRET_MISSING, "ConfigMap": MAP_MISSING}.get(kind, ACCOUNT_MISSING)
        yield rule.at(pod, field=field, kind=kind, name=name)
    elif key and not any(key in _keys(item) for item in named):
        keys = ", ".join(sorted(map(str, _keys(named[0])))) or "none"
        yield KEY_MISSING.at(pod, field=field, key=key, kind=kind, name=name, keys=keys)


def _keys(item: Manifest) -> list[Any]:
    return [key for part in ("data", "stringData", "binaryData") for key in section(item.body, part)]


def _selector(pod: OurPod) -> Iterator[Finding]:
    wanted = section(dig(pod.manifest.spec, "selector"), "matchLabels")
    missing = sorted(f"{name}: {value}" for name, value in wanted.items() if pod.labels.get(name) != value)
    if missing:
        yield SELECTOR_DIFFERS.at(pod, labels=", ".join(missing))
