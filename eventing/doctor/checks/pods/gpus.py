"""Check that pods ask for GPUs as Kubernetes and the device plugins give them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Body, Manifests, environment, section
from eventing.doctor.objects.ourpods import OurPod, our_pods
from eventing.doctor.objects.quantities import quantity

NAMES = (
    "nvidia.com/gpu", "nvidia.com/gpu.shared", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe",
    "habana.ai/gaudi", "google.com/tpu", "aws.amazon.com/neuron", "aws.amazon.com/neuroncore",
)  # fmt: skip
SLICE = re.compile(r"nvidia\.com/mig-[0-9]+g\.[0-9]+gb(\.me)?(\.shared)?")
BY_HAND = ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
DEVICE = "REELZERO_DEVICE"

GPU_NOT_LIMITED = Rule(
    "gpu-not-limited", "error",
    "resources.limits lacks {name}, which resources.requests has",
    "Kubernetes refuses the pod: a device needs a limit",
    "set resources.limits.{name} to {value}, the same as the request",
)  # fmt: skip
GPU_FRACTION = Rule(
    "gpu-fraction", "error",
    "resources asks for {value} of {name}",
    "Kubernetes refuses the pod: devices come in whole numbers",
    "ask for a whole number; for a part of a card ask for a slice, such as nvidia.com/mig-3g.40gb",
)  # fmt: skip
GPU_REQUEST_DIFFERS = Rule(
    "gpu-request-differs", "error",
    "resources.requests.{name} is {request}, and resources.limits.{name} is {limit}",
    "Kubernetes refuses the pod: both must be the same for a device",
    "set both to the same number",
)  # fmt: skip
GPU_NAME_UNKNOWN = Rule(
    "gpu-name-unknown", "error",
    "resources asks for {name}, which looks like {known}",
    "no node has such a device, so the pod waits until its revision fails",
    "write {known}, or the name that `kubectl describe node` lists under Allocatable",
)  # fmt: skip
GPU_TWO_KINDS = Rule(
    "gpu-two-kinds", "warning",
    "resources asks for {names} at once",
    "a node rarely has both, and the predictor uses one of them: the other stands idle, or the pod waits",
    "keep one of them",
)  # fmt: skip
GPU_MISSING = Rule(
    "gpu-missing", "error",
    "REELZERO_DEVICE is {device}, and resources.limits has no GPU",
    "the pod runs on any node and finds no GPU there: it never becomes ready",
    "set resources.limits and requests of the GPU, such as nvidia.com/gpu: 1",
)  # fmt: skip
GPU_UNUSED = Rule(
    "gpu-unused", "error",
    "resources.limits has {name}, and REELZERO_DEVICE is cpu",
    "the pod holds a GPU and generates on its CPU",
    "set REELZERO_DEVICE to cuda, or take the GPU out of the resources",
)  # fmt: skip
GPU_BY_HAND = Rule(
    "gpu-by-hand", "error",
    "the variable {name} is set to {value}",
    "it overrides the device that Kubernetes gave the pod: the predictor sees no GPU, or one of another pod",
    "remove {name}; the device plugin sets what is right",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on the predictors."""
    for pod in our_pods(manifests):
        if pod.is_predictor and pod.main:
            yield from _amounts(pod)
            yield from _names(pod)
            yield from _device(pod)
            yield from _by_hand(pod)


def devices(container: Body) -> list[str]:
    """Return the names of the devices that a container asks for."""
    asked = section(container, "resources", "requests") | section(container, "resources", "limits")
    return sorted(name for name in map(str, asked) if "/" in name and "hugepages" not in name)


def gpus(container: Body) -> list[str]:
    """Return those devices that are GPUs or parts of them."""
    return [name for name in devices(container) if name in NAMES or SLICE.fullmatch(name)]


def _amounts(pod: OurPod) -> Iterator[Finding]:
    requests = section(pod.main, "resources", "requests")
    limits = section(pod.main, "resources", "limits")
    for name in devices(pod.main):
        limit, request = limits.get(name), requests.get(name, limits.get(name))
        amount = quantity(limit if limit is not None else request)
        if name not in limits:
            yield GPU_NOT_LIMITED.at(pod, name=name, value=request)
        elif amount is None or amount != int(amount):
            yield GPU_FRACTION.at(pod, name=name, value=limit)
        elif quantity(request) != amount:
            yield GPU_REQUEST_DIFFERS.at(pod, name=name, request=request, limit=limit)


def _names(pod: OurPod) -> Iterator[Finding]:
    for name in devices(pod.main):
        known = [] if name in gpus(pod.main) else difflib.get_close_matches(name, NAMES, n=1, cutoff=0.85)
        if known:
            yield GPU_NAME_UNKNOWN.at(pod, name=name, known=known[0])
    kinds = gpus(pod.main)
    if len(kinds) > 1:
        yield GPU_TWO_KINDS.at(pod, names=" and ".join(kinds))


def _device(pod: OurPod) -> Iterator[Finding]:
    device = environment(pod.main).get(DEVICE, "")
    if device.startswith("cuda") and not devices(pod.main):
        yield GPU_MISSING.at(pod, device=device)
    if device == "cpu" and gpus(pod.main):
        yield GPU_UNUSED.at(pod, name=gpus(pod.main)[0])


def _by_hand(pod: OurPod) -> Iterator[Finding]:
    for name, value in environment(pod.main).items():
        if name in BY_HAND:
            yield GPU_BY_HAND.at(pod, name=name, value=value or "a value elsewhere")
