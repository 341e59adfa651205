"""Check that every hop waits longer than the hop behind it (docs/decisions/0003-time-from-one-budget.md)."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.contract.budget import HEARTBEAT_SECONDS, HEARTBEATS_MISSED, KNATIVE_WINDOW_LIMIT, Budget
from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifest, Manifests, decimal, dig, number, seconds
from eventing.doctor.workloads import Workload, served, workloads

KNATIVE_MAXIMUM = 600  # default of max-revision-timeout-seconds
KNATIVE_START = 300  # Knative's default for both time-outs of a revision
PROGRESS = "serving.knative.dev/progress-deadline"
HEARTBEAT, PATIENCE = "REELZERO_HEARTBEAT_SECONDS", "REELZERO_HEARTBEAT_TIMEOUT_SECONDS"
DRAIN = "REELZERO_DRAIN_SECONDS"
WINDOWS = {
    "window": 6,
    "scale-to-zero-pod-retention-period": 0,
    "scale-down-delay": 0,
}  # minimum in seconds; the maximum is an hour for all


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for workload in workloads(manifests):
        yield from _timeout(manifests, workload)
        yield from _response_start(workload)
        yield from _progress_deadline(manifests, workload)
        yield from _windows(workload)
    yield from _activator(manifests)
    yield from _client(manifests)
    yield from _heartbeats(manifests)
    yield from _drain(manifests)
    yield from _eventing_grace(manifests)


def _timeout(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    timeout = workload.timeout
    budget = manifests.budget(workload.model, workload.manifest.namespace)
    if timeout is None:
        yield Finding(
            "timeout-missing", "error", str(workload),
            f"Knative ends every request after {KNATIVE_START} s, and the dispatcher sends the job again",
            "set the timeout that follows from the model's budget" if workload.is_inference_service
            else "set timeoutSeconds and responseStartTimeoutSeconds",
        )  # fmt: skip
        return
    if budget and timeout < budget.revision_timeout:
        yield Finding(
            "timeout-below-budget", "error", str(workload),
            f"{workload.model} may take {budget.cold_start_seconds} s to start"
            f" and {budget.generation_seconds} s to generate;"
            f" {timeout} s end it earlier, also in a draining pod, which has the same grace",
            f"raise the timeout to {budget.revision_timeout}, or lower the model's budget",
        )  # fmt: skip
    maximum = _maximum(manifests)
    if maximum is not None and timeout > maximum:
        yield Finding(
            "timeout-above-maximum", "error", str(workload),
            f"Knative refuses the revision: {timeout} s is over max-revision-timeout-seconds, {maximum}",
            "raise it in ConfigMap knative-serving/config-defaults (config/platform)",
        )  # fmt: skip


def _maximum(manifests: Manifests) -> int | None:
    defaults = manifests.config("config-defaults")
    if defaults is None:
        return None
    return number(defaults.get("max-revision-timeout-seconds")) or KNATIVE_MAXIMUM


def _response_start(workload: Workload) -> Iterator[Finding]:
    if workload.is_inference_service or (workload.timeout or 0) <= KNATIVE_START:
        return
    if "responseStartTimeoutSeconds" not in workload.pod:
        yield Finding(
            "response-start-missing", "error", str(workload),
            f"a request that starts a pod is ended after {KNATIVE_START} s without a first byte,"
            " regardless of timeoutSeconds",
            "set responseStartTimeoutSeconds to the value of timeoutSeconds",
        )  # fmt: skip


def _progress_deadline(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    budget = manifests.budget(workload.model, workload.manifest.namespace)
    deadline = seconds(workload.annotations.get(PROGRESS, "600s"))
    if budget and deadline is not None and deadline < budget.cold_start_seconds:
        yield Finding(
            "progress-deadline-short", "error", str(workload),
            f"Knative fails the revision after {deadline:g} s, but {workload.model} may take"
            f" {budget.cold_start_seconds} s to be ready",
            f"annotate it with {PROGRESS}: {budget.progress_deadline}s",
        )  # fmt: skip


def _windows(workload: Workload) -> Iterator[Finding]:
    for name, least in WINDOWS.items():
        text = workload.scaling(name)
        value = seconds(text)
        if text is not None and (value is None or not least <= value <= KNATIVE_WINDOW_LIMIT):
            yield Finding(
                "window-out-of-range", "error", str(workload),
                f"Knative refuses the revision: {name} is {text}",
                f"choose {least}s to {KNATIVE_WINDOW_LIMIT}s; to keep pods longer, raise minReplicas",
            )  # fmt: skip


def _activator(manifests: Manifests) -> Iterator[Finding]:
    longest = max((workload.timeout or 0 for workload in workloads(manifests)), default=0)
    for item in manifests.kind("Deployment"):
        grace = _grace(item)
        if item.name == "activator" and grace < longest:
            yield Finding(
                "activator-grace-short", "error", str(item),
                f"a rollout of the activator cuts requests after {grace} s; the longest may take {longest} s",
                "apply config/platform/activator-grace.yaml",
            )  # fmt: skip


def _client(manifests: Manifests) -> Iterator[Finding]:
    """Check that the caller waits longer than the server, or finished videos are reported as failed."""
    for item, endpoint, workload in served(manifests):
        budget = manifests.budget(endpoint.model, item.namespace)
        if workload and budget and (workload.timeout or 0) >= budget.client_timeout:
            yield Finding(
                "client-gives-up-first", "error", str(item),
                f"the dispatcher waits {budget.client_timeout} s for {endpoint.model}, but {workload} may"
                f" answer until {workload.timeout} s: finished videos are generated again",
                "raise the model's budget, from which both follow, instead of the timeout alone",
            )  # fmt: skip


def _heartbeats(manifests: Manifests) -> Iterator[Finding]:
    """Compare both sides: neither value alone is wrong, so the finding names both."""
    for item, _, workload in served(manifests):
        if workload is None:
            continue
        patience = decimal(manifests.setting(item, PATIENCE)) or HEARTBEATS_MISSED * HEARTBEAT_SECONDS
        beat = decimal(workload.variables.get(HEARTBEAT)) or HEARTBEAT_SECONDS
        if HEARTBEATS_MISSED * beat > patience:
            yield Finding(
                "heartbeat-too-slow", "error", str(workload),
                f"it sends a heartbeat every {beat:g} s, and {item} cuts its stream after {patience:g} s"
                " of silence: one late heartbeat costs the whole attempt",
                f"set {HEARTBEAT} to a third of {PATIENCE} or less",
            )  # fmt: skip


def _drain(manifests: Manifests) -> Iterator[Finding]:
    for item in manifests.eventing():
        drain = decimal(manifests.setting(item, DRAIN))
        needed = max((budget.client_timeout for budget in _budgets(manifests, item)), default=0)
        if drain is not None and not needed <= drain <= max(_grace(item), needed):
            yield Finding(
                "drain-by-hand", "error", str(item),
                f"at shutdown it waits {drain:g} s for open streams; they may take {needed} s, and its pod"
                f" has {_grace(item)} s: streams are cut, and their videos are generated twice",
                f"leave {DRAIN} out; it follows from the longest budget",
            )  # fmt: skip


def _grace(item: Manifest) -> int:
    return number(dig(item.spec, "template", "spec", "terminationGracePeriodSeconds")) or 30


def _budgets(manifests: Manifests, item: Manifest) -> list[Budget]:
    """Return the known budgets of all models of an eventing service."""
    budgets = [manifests.budget(endpoint.model, item.namespace) for endpoint in manifests.endpoints(item)]
    return [budget for budget in budgets if budget]


def _eventing_grace(manifests: Manifests) -> Iterator[Finding]:
    for item in manifests.eventing():
        needed = max((budget.eventing_grace for budget in _budgets(manifests, item)), default=0)
        grace = _grace(item)
        if grace < needed:
            yield Finding(
                "eventing-grace-short", "error", str(item),
                f"a rollout kills open streams after {grace} s, and their videos are generated twice",
                f"set terminationGracePeriodSeconds to {needed}",
            )  # fmt: skip
