"""Counting accelerators without torch."""

from __future__ import annotations

import pytest

from eventing.standalone.processes import devices
from eventing.standalone.processes.devices import find_devices

TWO = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb)\n"
PARTITIONED = (
    "GPU 0: NVIDIA A100 (UUID: GPU-aaaa)\n  MIG 3g.20gb Device 0: (UUID: MIG-1)\n"
    "  MIG 3g.20gb Device 1: (UUID: MIG-2)\nGPU 1: NVIDIA A100 (UUID: GPU-bbbb)\n"
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0,1", ("0", "1")),
        (" GPU-x , GPU-y ", ("GPU-x", "GPU-y")),
        ("", ("cpu",)),
        ("-1", ("cpu",)),
        ("2,-1,3", ("2",)),
        ("1,1", ("1",)),
    ],
)
def test_an_operators_list_is_obeyed(given: str, expected: tuple[str, ...]) -> None:
    assert find_devices({"CUDA_VISIBLE_DEVICES": given}) == expected


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (TWO, ("GPU-aaaa", "GPU-bbbb")),
        (PARTITIONED, ("MIG-1", "MIG-2", "GPU-bbbb")),
        ("", ("cpu",)),
        ("NVIDIA-SMI has failed", ("cpu",)),
    ],
)
def test_the_driver_is_asked(
    monkeypatch: pytest.MonkeyPatch, listing: str, expected: tuple[str, ...]
) -> None:
    monkeypatch.setattr(devices, "_nvidia_smi", lambda: listing)
    assert find_devices({}) == expected


def test_no_driver_means_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "NVIDIA_SMI", ("/no/such/nvidia-smi", "-L"))
    assert find_devices({}) == ("cpu",)
