"""`reelzero report`: what jobs have used of GPUs and cost, as a table, JSON, CSV or a picture."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from eventing.cli.terminal.servers.session import Session, command
from eventing.client.costs import Usage, UsageRow

HEADS = (
    "videos", "failed", "cold", "video s", "paid", "used", "starting", "wasted", "idle", "wait", "p95", "cost"
)  # fmt: skip
WIDE = ("failed", "video s", "starting", "idle", "p95")


class By(StrEnum):
    """What the rows of a report tell apart."""

    day = "day"
    owner = "owner"
    model = "model"


@command
async def report(
    session: Session,
    since: Annotated[str, typer.Option(help="7d, 24h or a day such as 2026-11-01; whole days, UTC.")] = "7d",
    by: Annotated[list[By] | None, typer.Option(help="What rows tell apart; may be repeated.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write a picture to this file (SVG).", metavar="FILE")
    ] = None,
) -> None:
    """Show what jobs have used of GPUs, in seconds and, where the server has a price, in money.

    An owner sees its own jobs, a key that may operate those of all owners.
    """
    kinds = [each.value for each in by or (By.model, By.owner)]
    client, output = session.client, session.output
    if picture is not None:
        content = await client.usage_file("svg", since, kinds)
        await asyncio.to_thread(picture.write_text, content, encoding="utf-8")
        output.answer({"path": str(picture)}, [str(picture)], lambda: output.line(str(picture)))
        return
    if csv:
        output.ids((await client.usage_file("csv", since, kinds)).splitlines())
        return
    usage = await client.usage(since, kinds)
    output.answer(usage, [str(usage.total.gpu_seconds.paid)], lambda: _show(session, usage))


def _show(session: Session, usage: Usage) -> None:
    names = [each for each in usage.by if each in ("day", "owner", "model")]
    rows = [_cells(row, names, usage.currency) for row in usage.data]
    if len(rows) != 1:
        rows.append(_cells(usage.total, names, usage.currency, "total"))
    session.output.table([*names, *HEADS], rows, wide=WIDE)
    session.output.note(f"GPU-seconds of jobs that ended from {usage.since} to {usage.until}, UTC")


def _cells(row: UsageRow, names: list[str], currency: str | None, title: str = "") -> list[str]:
    own = [str(getattr(row, name) or "") for name in names]
    if title and own:
        own[0] = title
    seconds = row.gpu_seconds
    parts = (seconds.paid, seconds.used, seconds.starting, seconds.wasted, seconds.idle)
    waits = (row.wait_median_seconds, row.wait_p95_seconds)
    return [
        *own,
        *(str(count) for count in (row.completed, row.failed, row.cold_starts)),
        f"{row.video_seconds:.1f}",
        *(f"{part:.1f}" for part in parts),
        *("" if wait is None else f"{wait:.1f} s" for wait in waits),
        "" if row.cost is None else f"{row.cost:.2f} {currency}",
    ]
