"""Run the jobs of a load through dispatcher, activator and pods under a policy, second by second.

A job waits in the database until the dispatcher has a slot (`max_replicas` of them), then in the activator
until a pod is free. The first request at zero pods wakes the autoscaler at once; else it decides every two
seconds. A pod costs from its creation to its end. Scaling down takes pods that still start before ready ones
and young ones before old ones, whether they work or not; one that works finishes its job. Every end takes at
least the drain.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from bench.scaling.concurrency import Concurrency
from bench.scaling.load import Load
from bench.scaling.policy import TICK, Memory, Policy, Seen, decide

END, READY, ARRIVAL, SECOND = range(4)  # what comes first where times are equal


@dataclass(frozen=True)
class Outcome:
    """What a policy did with a load."""

    waits: tuple[float, ...]  # seconds from submission to the begin of the video, in the order of the jobs
    paid: float  # pod-seconds from creation to end
    used: float  # pod-seconds of videos
    starts: int  # pods created
    peak: int  # most pods at once, without those that end
    gone: float  # when the last pod had ended
    sizes: tuple[tuple[float, int], ...]  # when the wanted number of pods changed, and to what

    @property
    def ratio(self) -> float:
        """Return paid / used; infinite if nothing was used."""
        return self.paid / self.used if self.used else math.inf

    def wait(self, percent: float) -> float:
        """Return a percentile of the waits."""
        return float(np.percentile(self.waits, percent)) if self.waits else 0.0


@dataclass
class _Pod:
    number: int
    created: float
    job_ends: float = -math.inf
    job: int | None = None
    drained: float | None = None  # when its drain is over; None while it is wanted


def address(number: int) -> int:
    """Return the place of a pod in the activator's list, which has nothing to do with its age."""
    return number * 2_654_435_761 % 2**32


@dataclass
class _World:
    policy: Policy
    load: Load
    waits: list[float]
    pods: dict[int, _Pod] = field(default_factory=dict)  # wanted ones
    starting: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)  # the oldest first
    idle: list[tuple[int, int]] = field(default_factory=list)  # a heap of addresses
    stored: deque[int] = field(default_factory=deque)  # jobs in the database
    sent: deque[int] = field(default_factory=deque)  # jobs in the activator
    events: list[tuple[float, int, int]] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    paid: float = 0.0
    starts: int = 0
    peak: int = 0
    gone: float = 0.0
    ticking: bool = False

    def __post_init__(self) -> None:
        self.traffic = Concurrency(self.policy.window, self.policy.panic_window)
        self.busy: dict[int, _Pod] = {}  # by job
        self.events = [(job.at, ARRIVAL, n) for n, job in enumerate(self.load.jobs)]

    def run(self) -> None:
        if self.policy.min_replicas:
            self.resize(0.0, self.policy.min_replicas)
            self.tick_from(0.0)
        while self.events:
            at = self.events[0][0]
            if at > self.load.span and not self.traffic.now and not self.stored and not self.waking():
                break
            self.at(at)
        for pod in self.pods.values():
            self.end(pod, max(self.load.span, pod.created))

    def waking(self) -> bool:
        """Return whether something is left to happen after the span: an arrival, or a way to zero."""
        return not self.policy.min_replicas or any(kind == ARRIVAL for _, kind, _ in self.events)

    def at(self, at: float) -> None:
        """Let everything of one moment happen, then hand jobs on, then let the autoscaler look."""
        second = False
        while self.events and self.events[0][0] == at:
            _, kind, number = heapq.heappop(self.events)
            if kind == END:
                self.job_ends(at, number)
            elif kind == READY:
                self.pod_is_ready(number)
            elif kind == ARRIVAL:
                self.stored.append(number)
            else:
                second = True
        self.hand_on(at)
        if second:
            self.second(at)

    def job_ends(self, at: float, job: int) -> None:
        self.traffic.change(at, -1)
        pod = self.busy.pop(job)
        pod.job = None
        if pod.drained is None:
            heapq.heappush(self.idle, (address(pod.number), pod.number))
        else:
            self.end(pod, max(at, pod.drained))

    def pod_is_ready(self, number: int) -> None:
        if number in self.pods:
            self.starting.remove(number)
            self.ready.append(number)
            heapq.heappush(self.idle, (address(number), number))

    def hand_on(self, at: float) -> None:
        """Send stored jobs while there are slots, and begin sent jobs while pods are free."""
        while self.stored and self.traffic.now < self.policy.max_replicas:
            self.traffic.change(at, 1)
            self.sent.append(self.stored.popleft())
            if not self.ticking:
                self.wake(at)
        while self.sent and (pod := self.free_pod()):
            job = self.sent.popleft()
            self.waits[job] = at - self.load.jobs[job].at
            pod.job, pod.job_ends = job, at + self.load.jobs[job].seconds
            self.busy[job] = pod
            heapq.heappush(self.events, (pod.job_ends, END, job))

    def free_pod(self) -> _Pod | None:
        while self.idle:
            _, number = heapq.heappop(self.idle)
            if number in self.pods:
                return self.pods[number]
        return None

    def wake(self, at: float) -> None:
        """Decide at once: the activator reports the first request of a revision without pods."""
        self.tick_from(at)
        self.choose(Seen(at, 1.0, 1.0, 0))

    def tick_from(self, at: float) -> None:
        self.ticking = True
        heapq.heappush(self.events, (math.floor(at) + 1.0, SECOND, 0))

    def second(self, at: float) -> None:
        self.traffic.close(at)
        if at % TICK == 0:
            self.choose(Seen(at, *self.traffic.means(), len(self.ready)))
        if self.pods or self.traffic.now:
            heapq.heappush(self.events, (at + 1.0, SECOND, 0))
        else:
            self.ticking = False

    def choose(self, seen: Seen) -> None:
        self.memory, wanted = decide(self.policy, self.memory, seen)
        self.resize(seen.at, wanted)

    def resize(self, at: float, wanted: int) -> None:
        if wanted != len(self.pods):
            self.sizes.append((at, wanted))
        while len(self.pods) < wanted:
            self.create(at)
        while len(self.pods) > wanted:
            self.remove(at)
        self.peak = max(self.peak, wanted)

    def create(self, at: float) -> None:
        pod = _Pod(next(self.numbers), at)
        self.pods[pod.number] = pod
        self.starting.append(pod.number)
        self.starts += 1
        heapq.heappush(self.events, (at + self.load.cold_start(pod.number), READY, pod.number))

    def remove(self, at: float) -> None:
        pod = self.pods.pop((self.starting or self.ready).pop())
        pod.drained = at + self.load.drain
        if pod.job is None:
            self.end(pod, pod.drained)

    def end(self, pod: _Pod, at: float) -> None:
        self.paid += at - pod.created
        self.gone = max(self.gone, at)


def simulate(policy: Policy, load: Load) -> Outcome:
    """Return what the policy does with the load."""
    world = _World(policy, load, [0.0] * len(load.jobs))
    world.run()
    return Outcome(
        tuple(world.waits), world.paid, load.used, world.starts, world.peak, world.gone, tuple(world.sizes)
    )
