"""What one job costs on PostgreSQL: its statements and commits, as upper bounds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import event

from eventing.contract.models import GenerationSpec
from eventing.store.engine import Database
from eventing.store.outbox import Try
from eventing.store.schema import migrate
from eventing.testing import fake_result
from tests.support.builders import POOL, claim, stores, submission

# Per step: statements without BEGIN and COMMIT, and commits.
BOUNDS = {
    "submit": (3, 1),  # one of them is for the turn of its owner
    "claim": (4, 1),  # also here; one claim may take several jobs
    "start": (3, 1),  # one of them is the started event, for the sink
    "complete": (5, 1),  # one of them drops progress that waits for the sink
    "claim the deliveries": (2, 1),
    "record the deliveries": (2, 1),
}


class Counts:
    """Counts what the engines of a database send."""

    def __init__(self, database: Database) -> None:
        self.sent: Counter[str] = Counter()
        for engine in (database.engine.sync_engine, database.reserved.engine.sync_engine):
            event.listen(engine, "before_cursor_execute", self._statement)
            event.listen(engine, "commit", self._commit)

    def _statement(self, *_: Any) -> None:
        self.sent["statements"] += 1

    def _commit(self, _: Any) -> None:
        self.sent["commits"] += 1

    def take(self) -> tuple[int, int]:
        """Return the counts since the last call."""
        sent, self.sent = self.sent, Counter()
        return sent["statements"], sent["commits"]


async def test_a_job_takes_no_more_statements_and_commits_than_it_did(postgres_url: str) -> None:
    database = Database(postgres_url)
    await migrate(database)
    store = stores(database)
    await store.claims.prepare((POOL,))
    counts, costs = Counts(database), {}
    counts.take()
    await store.jobs.submit(submission())
    costs["submit"] = counts.take()
    job = await claim(store)
    costs["claim"] = counts.take()
    job = await store.claims.start(job)
    costs["start"] = counts.take()
    spec: GenerationSpec = job.spec
    await store.claims.complete(job, fake_result(spec, job.id, job.attempt, None))
    costs["complete"] = counts.take()
    rows = await store.outbox.claim(10)
    costs["claim the deliveries"] = counts.take()
    assert len(rows) == 2
    await store.outbox.record_all([(row, Try(True, 0.1, 200)) for row in rows])
    costs["record the deliveries"] = counts.take()
    await database.close()
    over = {
        step: cost
        for step, cost in costs.items()
        if any(number > most for number, most in zip(cost, BOUNDS[step], strict=True))
    }
    assert not over, f"more than {BOUNDS}"
