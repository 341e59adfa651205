"""Show what requests would take, for `reelzero submit --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventing.cli.terminal.screen.output import duration
from eventing.cli.terminal.servers.session import Session
from eventing.client import Estimate


async def show_estimates(session: Session, requests: Sequence[dict[str, Any]]) -> None:
    """Write the estimate of each request. Nothing is submitted."""
    estimates = [await session.client.estimate(request) for request in requests]
    output = session.output

    def people() -> None:
        for number, estimate in enumerate(estimates):
            if number:
                output.line()
            for name, value in facts(estimate):
                output.line(f"{name:<11} {value}")

    models = (estimate.model for estimate in estimates)
    output.answer(estimates if len(estimates) > 1 else estimates[0], models, people)
    for warning in {warning for estimate in estimates for warning in estimate.warnings}:
        output.note(f"note: {warning}", "yellow")


def facts(estimate: Estimate) -> list[tuple[str, str]]:
    """Return what is worth knowing of an estimate, by name."""
    request, count = estimate.request, estimate.videos
    size = f"{request.width}x{request.height}, {request.num_frames} frames at {request.fps} a second"
    rows = [
        ("prompt", request.prompt),
        ("model", f"{estimate.model}, lane {estimate.lane}"),
        ("video", size if count == 1 else f"{count} of {size}"),
        ("queue", f"{estimate.queue_position} jobs are before it"),
        ("wait", _about(estimate.wait_seconds, " with a cold start" if estimate.cold_start else "")),
        ("time", _about(estimate.seconds, f" each, by the {estimate.seconds_from}")),
    ]
    if estimate.gpu_seconds is not None:
        money = "" if estimate.cost is None else f", about {estimate.cost:.4f} {estimate.currency}"
        rows.append(("GPU-seconds", f"about {estimate.gpu_seconds:.1f}{money}"))
    return rows


def _about(seconds: float | None, more: str) -> str:
    """Return a time in words, with one more remark where it is known."""
    if seconds is None:
        return "not known"
    return f"about {seconds:.0f} s{more}" if seconds < 90 else f"about {duration(seconds)} min{more}"
