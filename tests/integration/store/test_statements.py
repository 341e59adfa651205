"""What one job costs on PostgreSQL: its statements and commits, as upper bounds."""

from __future__ import annotations

from eventing.contract.records.models import GenerationSpec
from eventing.store.database.engine import Database
from eventing.store.outbox import Try
from eventing.store.schema import migrate
from eventing.testing import fake_result
from tests.support.builders import POOL, claim, stores, submission
from tests.support.sent import Sent

# Per step: statements without BEGIN and COMMIT, and commits.
BOUNDS = {
    "submit": (1, 1),
    "submit with a key": (1, 1),
    "claim": (1, 1),  # one claim may take several jobs
    "start": (1, 1),
    "complete": (1, 1),  # it may claim the next job
    "claim the deliveries": (1, 1),
    "record the deliveries": (1, 1),
}


def taken(sent: Sent) -> tuple[int, int]:
    """Return the counts of statements and commits since the last call."""
    counts = sent.statements.total(), sent.ends["COMMIT"]
    sent.clear()
    return counts


async def test_a_job_takes_no_more_statements_and_commits_than_it_did(postgres_url: str) -> None:
    database = Database(postgres_url)
    await migrate(database)
    store = stores(database)
    await store.claims.prepare((POOL,))
    sent, costs = Sent(database), {}
    taken(sent)
    await store.jobs.submit(submission())
    costs["submit"] = taken(sent)
    await store.jobs.submit(submission(key="k"))
    costs["submit with a key"] = taken(sent)
    job = await claim(store)
    costs["claim"] = taken(sent)
    job = await store.claims.start(job)
    costs["start"] = taken(sent)
    spec: GenerationSpec = job.video
    await store.claims.complete(job, fake_result(spec, job.id, job.attempt, None))
    costs["complete"] = taken(sent)
    rows = await store.outbox.claim(10)
    costs["claim the deliveries"] = taken(sent)
    assert len(rows) == 2
    await store.outbox.record_all([(row, Try(True, 0.1, 200)) for row in rows])
    costs["record the deliveries"] = taken(sent)
    await database.close()
    over = {
        step: cost
        for step, cost in costs.items()
        if any(number > most for number, most in zip(cost, BOUNDS[step], strict=True))
    }
    assert not over, f"more than {BOUNDS}"
