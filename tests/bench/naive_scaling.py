"""A naive model of the same world for whole seconds: it walks them one by one and keeps every list whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bench.scaling.load import Load
from bench.scaling.policy import Policy
from bench.scaling.simulation import address


@dataclass
class Pod:
    """A pod that was created once; it stays in the list for ever."""

    number: int
    created: int
    ready_at: int
    busy_until: int = 0
    removed: int | None = None

    def gone(self) -> int:
        assert self.removed is not None
        return max(self.removed + 30, self.busy_until)


@dataclass
class Naive:
    """Pods, requests in flight per second, and every look of the autoscaler, since the beginning."""

    policy: Policy
    load: Load
    pods: list[Pod] = field(default_factory=list)
    flying: dict[int, int] = field(default_factory=dict)  # by second, while the autoscaler looks
    looks: list[tuple[int, int, int, bool]] = field(default_factory=list)  # second, stable, urgent, crossed
    wishes: list[tuple[int, int]] = field(default_factory=list)
    wanted: list[tuple[int, int]] = field(default_factory=list)

    def run(self) -> tuple[list[float], float]:
        """Return the wait of each job, and the pod-seconds paid."""
        jobs = self.load.jobs
        waits: dict[int, float] = {}
        sent: list[int] = []
        second, awake = 0, False
        while awake or len(waits) < len(jobs):
            arrived = [n for n, job in enumerate(jobs) if job.at <= second and n not in waits]
            for job in arrived:
                if job not in sent and len(sent) + self.busy(second) < self.policy.max_replicas:
                    sent.append(job)
                    if not awake:
                        awake = True
                        self.look(second, 1.0, 1.0, 0)
            for pod in sorted(self.free(second), key=lambda one: address(one.number)):
                if sent:
                    job = sent.pop(0)
                    waits[job] = second - jobs[job].at
                    pod.busy_until = second + int(jobs[job].seconds)
            if awake and second - 1 in self.flying and second % 2 == 0:
                stable, panic = (
                    self.mean(second, one) for one in (self.policy.window, self.policy.panic_window)
                )
                ready = sum(pod.ready_at <= second for pod in self.living())
                self.look(second, stable, panic, ready)
            if (
                awake
                and second - 1 in self.flying
                and not self.living()
                and not sent
                and not self.busy(second)
            ):
                awake = False
            if awake:
                self.flying[second] = len(sent) + self.busy(second)
            second += 1
        return [waits[n] for n in range(len(jobs))], sum(pod.gone() - pod.created for pod in self.pods)

    def living(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.removed is None]

    def busy(self, second: int) -> int:
        return sum(pod.busy_until > second for pod in self.pods)

    def free(self, second: int) -> list[Pod]:
        return [pod for pod in self.living() if pod.ready_at <= second and pod.busy_until <= second]

    def mean(self, second: int, window: int) -> float:
        """The mean since the last silence of a whole window, at most over the window."""
        first = second - 1
        for earlier in range(second - 1, -1, -1):
            if earlier in self.flying:
                if first - earlier > self.policy.window:
                    break
                first = earlier
        seconds = range(max(first, second - window), second)
        return sum(self.flying.get(one, 0) for one in seconds) / len(seconds)

    def look(self, second: int, stable: float, panic: float, ready: int) -> None:
        """Decide, from all looks so far."""
        policy, ready = self.policy, max(1, ready)
        pods = [math.ceil(round(mean, 6) / policy.target) for mean in (stable, panic)]
        calm, urgent = (min(max(one, ready // 2), 1000 * ready) for one in pods)
        self.looks.append((second, calm, urgent, pods[1] / ready >= 2))
        chain = self.chain(second)
        wish = max([calm, *(max(one[1:3]) for one in chain)])
        self.wishes.append((second, wish))
        wish = max(pods for at, pods in self.wishes if at == second or at > second - policy.scale_down_delay)
        wish = min(max(wish, policy.min_replicas), policy.max_replicas)
        self.wanted.append((second, wish))
        self.resize(second, wish or self.last_pod(second))

    def chain(self, second: int) -> list[tuple[int, int, int, bool]]:
        """The looks since the panic began; none while it is calm."""
        last, begin = None, None
        for n, (at, _, _, crossed) in enumerate(self.looks):
            if crossed:
                begin = n if begin is None else begin
                last = at
            elif last is not None and at - last > self.policy.window:
                last = begin = None
        return [] if begin is None else self.looks[begin:]

    def last_pod(self, second: int) -> int:
        """1 while the last pod must stay, else 0."""
        since = second
        for at, wish in reversed(self.wanted):
            if wish:
                break
            since = at
        return int(second - since < self.policy.retention)

    def resize(self, second: int, wish: int) -> None:
        while len(self.living()) < wish:
            number = len(self.pods)
            self.pods.append(Pod(number, second, second + int(self.load.cold_start(number))))
        while len(self.living()) > wish:
            starting = [pod for pod in self.living() if pod.ready_at > second]
            pool = sorted(self.living(), key=lambda pod: (pod.ready_at, pod.number))
            (starting or pool)[-1].removed = second
