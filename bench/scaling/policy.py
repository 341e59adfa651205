"""Knative's published autoscaler as a pure function: what it saw, to how many pods it wants.

The arithmetic is that of `Scale` in knative/serving, pkg/autoscaler/scaling/autoscaler.go, for the metric
`concurrency`. A pod makes one video at a time. Times are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

TICK = 2  # seconds between two decisions
DIGITS = 6  # to which Knative rounds an average


@dataclass(frozen=True)
class Policy:
    """The knobs of a model. The defaults are those of the chart."""

    window: int = 60  # autoscaling.knative.dev/window, 6 to 3600 s; the chart's stableWindowSeconds
    retention: int = 0  # scale-to-zero-pod-retention-period; the chart's keepWarmSeconds
    scale_down_delay: int = 0  # scale-down-delay
    min_replicas: int = 0
    max_replicas: int = 4  # also the most jobs that the dispatcher has in flight
    target: float = 1.0  # requests a pod: containerConcurrency x target-utilization-percentage
    panic_percent: float = 10.0  # panic-window-percentage
    panic_threshold: float = 200.0  # panic-threshold-percentage
    max_scale_up: float = 1000.0  # max-scale-up-rate, of the cluster
    max_scale_down: float = 2.0  # max-scale-down-rate, of the cluster
    grace: int = 0  # scale-to-zero-grace-period (30) if the activator is not always in the path

    @property
    def panic_window(self) -> int:
        """Return the seconds of the panic window; one at least, since a bucket of Knative has one."""
        return max(1, math.ceil(self.window * self.panic_percent / 100))

    @property
    def until_zero(self) -> int:
        """Return how long the last pod stays after the autoscaler wants none."""
        return max(self.retention, self.grace)


@dataclass(frozen=True)
class Seen:
    """What the autoscaler sees at one moment."""

    at: float
    stable: float  # mean requests in flight over the stable window
    panic: float  # the same over the panic window
    ready: int  # pods


@dataclass(frozen=True)
class Memory:
    """What the autoscaler keeps from one decision to the next."""

    panic_at: float | None = None  # when the panic threshold was last crossed; None while it is calm
    panic_pods: int = 0
    wishes: tuple[tuple[float, int], ...] = ()  # those of the scale-down delay
    idle_since: float | None = None  # since when it wants no pod


def decide(policy: Policy, memory: Memory, seen: Seen) -> tuple[Memory, int]:
    """Return what the autoscaler keeps, and the pods that it wants."""
    memory, wish = _panicked(policy, memory, seen)
    memory, wish = _delayed(policy, memory, seen.at, wish)
    return _bounded(policy, memory, seen.at, wish)


def _panicked(policy: Policy, memory: Memory, seen: Seen) -> tuple[Memory, int]:
    ready = max(1, seen.ready)
    stable, panic = (math.ceil(round(mean, DIGITS) / policy.target) for mean in (seen.stable, seen.panic))
    most, least = math.ceil(policy.max_scale_up * ready), math.floor(ready / policy.max_scale_down)
    wish, urgent = (min(max(pods, least), most) for pods in (stable, panic))
    if panic / ready >= policy.panic_threshold / 100:
        memory = replace(memory, panic_at=seen.at)
    elif memory.panic_at is not None and memory.panic_at + policy.window < seen.at:
        memory = replace(memory, panic_at=None, panic_pods=0)
    if memory.panic_at is None:
        return memory, wish
    pods = max(wish, urgent, memory.panic_pods)  # nothing is scaled down in panic
    return replace(memory, panic_pods=pods), pods


def _delayed(policy: Policy, memory: Memory, at: float, wish: int) -> tuple[Memory, int]:
    if not policy.scale_down_delay:
        return memory, wish
    recent = tuple(one for one in memory.wishes if one[0] > at - policy.scale_down_delay)
    memory = replace(memory, wishes=(*recent, (at, wish)))
    return memory, max(pods for _, pods in memory.wishes)


def _bounded(policy: Policy, memory: Memory, at: float, wish: int) -> tuple[Memory, int]:
    pods = min(max(wish, policy.min_replicas), policy.max_replicas)
    if pods:
        return memory if memory.idle_since is None else replace(memory, idle_since=None), pods
    since = at if memory.idle_since is None else memory.idle_since
    return replace(memory, idle_since=since), 0 if at - since >= policy.until_zero else 1
