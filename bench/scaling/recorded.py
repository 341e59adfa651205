"""Record the arrivals of a real installation as CSV, and read them again.

`python -m bench.scaling record --days 7 > arrivals.csv` reads REELZERO_DATABASE_URL or `--database-url`. It
takes the times of videos that were made, and nothing that a user wrote. `python -m bench.scaling try
arrivals.csv` simulates policies on them. A reused result had no pod and is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from sqlalchemy import select

from bench.scaling.load import DAY, Job, Load
from eventing.store.database.engine import Database, now
from eventing.store.tables import jobs

HEADS = ("at", "seconds", "cold_start")


async def rows(database_url: str, days: float, model: str | None) -> list[tuple[float, float, float]]:
    """Return the videos of the last days: submission, seconds on the device, seconds of a cold start or 0.

    Raises Unavailable if the database is away.
    """
    database = Database(database_url)
    made = jobs.c.status == "completed"
    query = select(jobs.c.submitted_at, jobs.c.result).where(made, jobs.c.reused_from.is_(None))
    if model:
        query = query.where(jobs.c.model == model)
    try:
        async with database.read() as connection:
            since = await now(connection) - days * DAY
            query = query.where(jobs.c.submitted_at >= since).order_by(jobs.c.submitted_at)
            videos = (await connection.execute(query)).all()
    finally:
        await database.close()
    return [(at, *_seconds(result["timings"])) for at, result in videos]


def _seconds(timings: dict[str, float | None]) -> tuple[float, float]:
    parts = ("encode_prompt", "denoise", "decode", "engine")
    return sum(timings.get(part) or 0.0 for part in parts), timings.get("load") or 0.0


def write(file: TextIO, videos: Iterable[tuple[float, float, float]]) -> None:
    """Write videos as CSV."""
    writer = csv.writer(file)
    writer.writerow(HEADS)
    writer.writerows([f"{value:.3f}" for value in row] for row in videos)


def read(file: TextIO, cold_start: float) -> Load:
    """Return a load: times count from the first arrival; cold starts are those seen, else the one given here.

    Raises ValueError if the file has no video.
    """
    table = [[float(row[head]) for head in HEADS] for row in csv.DictReader(file)]
    if not table:
        raise ValueError("there is no video in the file: it must have a line for each, made by `record`")
    first, last = table[0][0], table[-1][0]
    starts = tuple(cold for _, _, cold in table if cold) or (cold_start,)
    return Load(tuple(Job(at - first, seconds) for at, seconds, _ in table), starts, last - first + 1.0)
