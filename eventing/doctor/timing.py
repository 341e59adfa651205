"""Whether every hop outlasts the one behind it (docs/decisions/0003-time-from-one-budget.md)."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.budget import KNATIVE_WINDOW_LIMIT
from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifests, dig, number, seconds
from eventing.doctor.workloads import Workload, workloads

KNATIVE_MAXIMUM = 600  # max-revision-timeout-seconds where nobody set it
KNATIVE_START = 300  # what Knative takes for timeouts that are not given
PROGRESS = "serving.knative.dev/progress-deadline"
WINDOWS = {
    "window": 6,
    "scale-to-zero-pod-retention-period": 0,
    "scale-down-delay": 0,
}  # least seconds; the most is an hour for all


def check(manifests: Manifests) -> Iterator[Finding]:
    """All of them."""
    for workload in workloads(manifests):
        yield from _timeout(manifests, workload)
        yield from _response_start(workload)
        yield from _progress_deadline(manifests, workload)
        yield from _windows(workload)
    yield from _activator(manifests)
    yield from _client(manifests)
    yield from _eventing_grace(manifests)


def _timeout(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    timeout, budget = workload.timeout, manifests.budget(workload.model)
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
            f"{workload.model} may take {budget.cold_start} s to start and {budget.generation} s to generate;"
            f" {timeout} s end it earlier, also in a draining pod, whose grace is the same",
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
            f"a request that wakes a pod is ended after {KNATIVE_START} s without a first byte,"
            " whatever timeoutSeconds says",
            "set responseStartTimeoutSeconds to the value of timeoutSeconds",
        )  # fmt: skip


def _progress_deadline(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    budget = manifests.budget(workload.model)
    deadline = seconds(workload.annotations.get(PROGRESS, "600s"))
    if budget and deadline is not None and deadline < budget.cold_start:
        yield Finding(
            "progress-deadline-short", "error", str(workload),
            f"the revision is given up after {deadline:g} s, but {workload.model} may take"
            f" {budget.cold_start} s to be ready",
            f"annotate it with {PROGRESS}: {budget.progress_deadline}s",
        )  # fmt: skip


def _windows(workload: Workload) -> Iterator[Finding]:
    for name, least in WINDOWS.items():
        given = workload.scaling(name)
        value = seconds(given)
        if given is not None and (value is None or not least <= value <= KNATIVE_WINDOW_LIMIT):
            yield Finding(
                "window-out-of-range", "error", str(workload),
                f"Knative refuses the revision: {name} is {given}",
                f"choose {least}s to {KNATIVE_WINDOW_LIMIT}s; to keep pods longer, raise minReplicas",
            )  # fmt: skip


def _activator(manifests: Manifests) -> Iterator[Finding]:
    longest = max((workload.timeout or 0 for workload in workloads(manifests)), default=0)
    for item in manifests.kind("Deployment"):
        grace = number(dig(item.spec, "template", "spec", "terminationGracePeriodSeconds")) or 30
        if item.name == "activator" and grace < longest:
            yield Finding(
                "activator-grace-short", "error", str(item),
                f"a rollout of the activator cuts requests after {grace} s; the longest may take {longest} s",
                "apply config/platform/activator-grace.yaml",
            )  # fmt: skip


def _client(manifests: Manifests) -> Iterator[Finding]:
    """The caller must outlast the server, or a finished video is reported as failed."""
    by_address = {workload.address: workload for workload in workloads(manifests)}
    for item in manifests.eventing():
        for endpoint in manifests.endpoints(item):
            host = endpoint.url.partition("://")[2].partition(".")[0]
            workload, budget = by_address.get(host), manifests.budget(endpoint.model)
            if workload and budget and (workload.timeout or 0) >= budget.client_timeout:
                yield Finding(
                    "client-gives-up-first", "error", str(item),
                    f"the dispatcher waits {budget.client_timeout} s for {endpoint.model}, but {workload} may"
                    f" answer until {workload.timeout} s: finished work is done again",
                    "raise the model's budget, from which both follow, instead of the timeout alone",
                )  # fmt: skip


def _eventing_grace(manifests: Manifests) -> Iterator[Finding]:
    for item in manifests.eventing():
        budgets = [manifests.budget(endpoint.model) for endpoint in manifests.endpoints(item)]
        needed = max((budget.eventing_grace for budget in budgets if budget), default=0)
        grace = number(dig(item.spec, "template", "spec", "terminationGracePeriodSeconds")) or 30
        if grace < needed:
            yield Finding(
                "eventing-grace-short", "error", str(item),
                f"a rollout kills open streams after {grace} s, and their videos are generated twice",
                f"set terminationGracePeriodSeconds to {needed}",
            )  # fmt: skip
