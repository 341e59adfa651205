"""Check that every hop waits longer than the hop behind it (docs/decisions/0003-time-from-one-budget.md)."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.contract.budget import HEARTBEAT_SECONDS, HEARTBEATS_MISSED, KNATIVE_WINDOW_LIMIT, Budget
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import (
    SERVING,
    Manifest,
    Manifests,
    decimal,
    dig,
    near,
    number,
    seconds,
)
from eventing.doctor.objects.ours import eventing
from eventing.doctor.objects.workloads import Workload, served, workloads

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


TIMEOUT_MISSING = Rule(
    "timeout-missing", "error",
    "it sets no time-out",
    f"Knative ends every request after {KNATIVE_START} s, and the dispatcher sends the job again",
    "set {field}; the value follows from the model's budget",
)  # fmt: skip
TIMEOUT_BELOW_BUDGET = Rule(
    "timeout-below-budget", "error",
    "its time-out is {timeout} s, less than the model's budget",
    "{model} may take {cold} s to start and {generation} s to generate; {timeout} s end it earlier, also in a"
    " draining pod, which has the same grace",
    "raise the timeout to {needed}, or lower the model's budget",
)  # fmt: skip
TIMEOUT_ABOVE_MAXIMUM = Rule(
    "timeout-above-maximum", "error",
    "its time-out is {timeout} s, and this cluster allows {maximum} s",
    "Knative refuses the revision: {timeout} s is over max-revision-timeout-seconds, {maximum}",
    "raise it in ConfigMap knative-serving/config-defaults (config/platform)",
)  # fmt: skip
RESPONSE_START_MISSING = Rule(
    "response-start-missing", "error",
    "it sets timeoutSeconds without responseStartTimeoutSeconds",
    f"a request that starts a pod is ended after {KNATIVE_START} s without a first byte, regardless of"
    " timeoutSeconds",
    "set responseStartTimeoutSeconds to the value of timeoutSeconds",
)  # fmt: skip
PROGRESS_DEADLINE_SHORT = Rule(
    "progress-deadline-short", "error",
    "its progress deadline is shorter than the model's start",
    "Knative fails the revision after {deadline:g} s, but {model} may take {cold} s to be ready",
    f"annotate it with {PROGRESS}: {{needed}}s",
)  # fmt: skip
WINDOW_OUT_OF_RANGE = Rule(
    "window-out-of-range", "error",
    "its annotation {name} is {text}",
    "Knative refuses the revision: {name} is {text}",
    f"choose {{least}}s to {KNATIVE_WINDOW_LIMIT}s; to keep pods longer, raise minReplicas",
)  # fmt: skip
ACTIVATOR_GRACE_SHORT = Rule(
    "activator-grace-short", "error",
    "its grace of {grace} s is shorter than the longest request of ours",
    "a rollout of the activator cuts requests after {grace} s; the longest may take {longest} s",
    "apply config/platform/activator-grace.yaml",
)  # fmt: skip
CLIENT_GIVES_UP_FIRST = Rule(
    "client-gives-up-first", "error",
    "the predictor may answer later than the dispatcher waits",
    "the dispatcher waits {client} s for {model}, but {workload} may answer until {timeout} s: finished"
    " videos are generated again",
    "raise the model's budget, from which both follow, instead of the timeout alone",
)  # fmt: skip
HEARTBEAT_TOO_SLOW = Rule(
    "heartbeat-too-slow", "error",
    "three of its heartbeats take longer than eventing waits",
    "it sends a heartbeat every {beat:g} s, and {service} cuts its stream after {patience:g} s of silence:"
    " one late heartbeat costs the whole attempt",
    f"set {HEARTBEAT} to a third of {PATIENCE} or less",
)  # fmt: skip
DRAIN_BY_HAND = Rule(
    "drain-by-hand", "error",
    f"{DRAIN} is {{drain:g}}, which fits neither the budgets nor the pod's grace",
    "at shutdown it waits {drain:g} s for open streams; they may take {needed} s, and its pod has {grace} s:"
    " streams are cut, and their videos are generated twice",
    f"leave {DRAIN} out; it follows from the longest budget",
)  # fmt: skip
EVENTING_GRACE_SHORT = Rule(
    "eventing-grace-short", "error",
    "its grace of {grace} s is shorter than the longest budget",
    "a rollout kills open streams after {grace} s, and their videos are generated twice",
    "set terminationGracePeriodSeconds to {needed}",
)  # fmt: skip


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
        fields = (
            "timeout" if workload.is_inference_service else "timeoutSeconds and responseStartTimeoutSeconds"
        )
        yield TIMEOUT_MISSING.at(workload, field=fields)
        return
    if budget and timeout < budget.revision_timeout:
        yield TIMEOUT_BELOW_BUDGET.at(
            workload, model=workload.model, cold=budget.cold_start_seconds, timeout=timeout,
            generation=budget.generation_seconds, needed=budget.revision_timeout,
        )  # fmt: skip
    maximum = _maximum(manifests)
    if maximum is not None and timeout > maximum:
        yield TIMEOUT_ABOVE_MAXIMUM.at(workload, timeout=timeout, maximum=maximum)


def _maximum(manifests: Manifests) -> int | None:
    defaults = manifests.config("config-defaults")
    if defaults is None:
        return None
    return number(defaults.get("max-revision-timeout-seconds")) or KNATIVE_MAXIMUM


def _response_start(workload: Workload) -> Iterator[Finding]:
    if workload.is_inference_service or (workload.timeout or 0) <= KNATIVE_START:
        return
    if "responseStartTimeoutSeconds" not in workload.pod:
        yield RESPONSE_START_MISSING.at(workload)


def _progress_deadline(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    budget = manifests.budget(workload.model, workload.manifest.namespace)
    deadline = seconds(workload.annotations.get(PROGRESS, "600s"))
    if budget and deadline is not None and deadline < budget.cold_start_seconds:
        yield PROGRESS_DEADLINE_SHORT.at(
            workload, deadline=deadline, model=workload.model, cold=budget.cold_start_seconds,
            needed=budget.progress_deadline,
        )  # fmt: skip


def _windows(workload: Workload) -> Iterator[Finding]:
    for name, least in WINDOWS.items():
        text = workload.scaling(name)
        value = seconds(text)
        if text is not None and not _taken(name, value, least):
            yield WINDOW_OUT_OF_RANGE.at(workload, name=name, text=text, least=least)


def _taken(name: str, value: float | None, least: int) -> bool:
    """Tell whether Knative takes a window: in its range, and of whole seconds unless it is the retention."""
    whole = name == "scale-to-zero-pod-retention-period" or value == int(value or 0)
    return value is not None and whole and least <= value <= KNATIVE_WINDOW_LIMIT


def _activator(manifests: Manifests) -> Iterator[Finding]:
    longest = max((workload.timeout or 0 for workload in workloads(manifests)), default=0)
    for item in manifests.kind("Deployment"):
        grace = _grace(item)
        if item.name == "activator" and near(item.namespace, SERVING) and grace < longest:
            yield ACTIVATOR_GRACE_SHORT.at(item, grace=grace, longest=longest)


def _client(manifests: Manifests) -> Iterator[Finding]:
    """Check that the caller waits longer than the server, or finished videos are reported as failed."""
    for item, endpoint, workload in served(manifests):
        budget = manifests.budget(endpoint.model, item.namespace)
        if workload and budget and (workload.timeout or 0) >= budget.client_timeout:
            yield CLIENT_GIVES_UP_FIRST.at(
                item, client=budget.client_timeout, model=endpoint.model, workload=workload,
                timeout=workload.timeout,
            )  # fmt: skip


def _heartbeats(manifests: Manifests) -> Iterator[Finding]:
    """Compare both sides: neither value alone is wrong, so the finding names both."""
    for item, _, workload in served(manifests):
        if workload is None:
            continue
        patience = decimal(manifests.setting(item, PATIENCE)) or HEARTBEATS_MISSED * HEARTBEAT_SECONDS
        beat = decimal(workload.variables.get(HEARTBEAT)) or HEARTBEAT_SECONDS
        if HEARTBEATS_MISSED * beat > patience:
            yield HEARTBEAT_TOO_SLOW.at(workload, beat=beat, service=item, patience=patience)


def _drain(manifests: Manifests) -> Iterator[Finding]:
    for item in eventing(manifests):
        drain = decimal(manifests.setting(item, DRAIN))
        needed = max((budget.client_timeout for budget in _budgets(manifests, item)), default=0)
        if drain is not None and not needed <= drain <= max(_grace(item), needed):
            yield DRAIN_BY_HAND.at(item, drain=drain, needed=needed, grace=_grace(item))


def _grace(item: Manifest) -> int:
    return number(dig(item.spec, "template", "spec", "terminationGracePeriodSeconds")) or 30


def _budgets(manifests: Manifests, item: Manifest) -> list[Budget]:
    """Return the known budgets of all models of an eventing service."""
    budgets = [manifests.budget(endpoint.model, item.namespace) for endpoint in manifests.endpoints(item)]
    return [budget for budget in budgets if budget]


def _eventing_grace(manifests: Manifests) -> Iterator[Finding]:
    for item in eventing(manifests):
        needed = max((budget.eventing_grace for budget in _budgets(manifests, item)), default=0)
        grace = _grace(item)
        if grace < needed:
            yield EVENTING_GRACE_SHORT.at(item, grace=grace, needed=needed)
