"""Check that pods expose no secrets and have no needless privileges."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import (
    Body,
    Manifest,
    Manifests,
    dig,
    environment,
    items,
    near,
    number,
    section,
)
from eventing.doctor.objects.ours import eventing
from eventing.doctor.objects.workloads import workloads

SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|ACCESS_KEY|API_KEY")
SECRET_ELSEWHERE = ("_FILE", "_PATH", "_NAME")  # such variables only locate the secret
SECRET_URL = re.compile(r"://[^/@:]*:[^/@]+@")  # user:password@

SECRET_IN_PLAIN = Rule(
    "secret-in-plain", "error",
    "{name} holds a secret as a plain value",
    "everyone who may read the object can read {name}",
    "put it into a Secret and refer to it with valueFrom.secretKeyRef",
)  # fmt: skip
TOKEN_MOUNTED = Rule(
    "token-mounted", "warning",
    "its pods have a token for the Kubernetes API",
    "it never calls the Kubernetes API, and an intruder in the pod gets the token",
    "set automountServiceAccountToken: false",
)  # fmt: skip
SECURITY_CONTEXT = Rule(
    "security-context", "warning",
    "its security context leaves privileges",
    "it has privileges it does not need, and a namespace with restricted pod security refuses it",
    "set {settings}",
)  # fmt: skip
AUTH_OPEN = Rule(
    "auth-open", "error",
    "REELZERO_AUTH is open",
    "everyone who can reach the Service can use GPU time and read all videos",
    "leave REELZERO_AUTH at required and create keys",
)  # fmt: skip
SQLITE_WITH_REPLICAS = Rule(
    "sqlite-with-replicas", "error",
    "several replicas use SQLite",
    "each replica has its own database, so each job exists on one replica only",
    "use PostgreSQL: postgresql+asyncpg://…",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on the pods of eventing and of the predictors."""
    for item, pod in _pods(manifests):
        yield from _secrets(item, pod)
        yield from _token(manifests, item, pod)
        yield from _security(item, pod)
    for item in eventing(manifests):
        yield from _eventing(item)


def _pods(manifests: Manifests) -> Iterator[tuple[Manifest, Body]]:
    yield from ((item, section(item.spec, "template", "spec")) for item in eventing(manifests))
    yield from ((workload.manifest, workload.pod) for workload in workloads(manifests))


def _containers(pod: Body) -> list[Body]:
    return items(pod, "initContainers") + items(pod, "containers")


def _secrets(item: Manifest, pod: Body) -> Iterator[Finding]:
    variables = [pair for container in _containers(pod) for pair in environment(container).items()]
    for name, value in variables:
        named = SECRET_NAME.search(name) and not name.endswith(SECRET_ELSEWHERE)
        if value and (named or SECRET_URL.search(value)):
            yield SECRET_IN_PLAIN.at(item, name=name)


def _token(manifests: Manifests, item: Manifest, pod: Body) -> Iterator[Finding]:
    name = pod.get("serviceAccountName")
    accounts = [
        account
        for account in manifests.kind("ServiceAccount")
        if account.name == name and near(account.namespace, item.namespace)
    ]
    off = [
        pod.get("automountServiceAccountToken"),
        *(dig(a.body, "automountServiceAccountToken") for a in accounts),
    ]
    if False not in off:
        yield TOKEN_MOUNTED.at(item)


def _security(item: Manifest, pod: Body) -> Iterator[Finding]:
    for container in _containers(pod):
        context = section(pod, "securityContext") | section(container, "securityContext")
        wrong = [
            what
            for what, right in (
                ("runAsNonRoot: true", context.get("runAsNonRoot") is True),
                ("readOnlyRootFilesystem: true", context.get("readOnlyRootFilesystem") is True),
                ("allowPrivilegeEscalation: false", context.get("allowPrivilegeEscalation") is False),
                ("capabilities.drop: [ALL]", dig(context, "capabilities", "drop") == ["ALL"]),
            )
            if not right
        ]
        if wrong:
            yield SECURITY_CONTEXT.at(item, f" container {container.get('name')}", settings=", ".join(wrong))


def _eventing(item: Manifest) -> Iterator[Finding]:
    containers = items(item.spec, "template", "spec", "containers")
    env = {name: value for container in containers for name, value in environment(container).items()}
    if env.get("REELZERO_AUTH") == "open":
        yield AUTH_OPEN.at(item)
    on_sqlite = env.get("REELZERO_DATABASE_URL", "").startswith("sqlite")
    if on_sqlite and (number(item.spec.get("replicas")) or 1) > 1:
        yield SQLITE_WITH_REPLICAS.at(item)
