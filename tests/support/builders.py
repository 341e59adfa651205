"""Small builders for tests: a job, a submission, stores and use cases over a database."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from eventing.contract.catalog import load_catalog
from eventing.contract.errors import StorageError
from eventing.contract.http.ssrf import AddressPolicy
from eventing.contract.records.models import JobRequest
from eventing.contract.storage.s3 import Folder
from eventing.domain.announcer import Announcer
from eventing.domain.job import Job
from eventing.domain.pool import Pool
from eventing.domain.turns import EQUAL, Shares
from eventing.drafts import Drafts
from eventing.jobs import Jobs, Retention
from eventing.pictures.fetch import Fetcher
from eventing.pictures.intake import PictureIntake
from eventing.reuse import Reuse
from eventing.served import Served
from eventing.settings import Endpoint, Settings
from eventing.signal import Signals
from eventing.store.claims import ClaimStore
from eventing.store.database.engine import Database
from eventing.store.dead_letters import DeadLetterStore
from eventing.store.jobs import JobStore
from eventing.store.outbox import OutboxStore
from eventing.store.submissions import Submission, digest
from eventing.store.watched import WatchStore
from eventing.watchers import Watchers

ANNOUNCER = Announcer("urn:test", "http://test", sink=True)
POOL = Pool("tiny/default", 1, (("tiny", "default"),))
KEEP = 3600.0


def make_job(**changes: Any) -> Job:
    """A queued job for the model tiny."""
    request = JobRequest(prompt=changes.pop("prompt", "a red circle moving right"), seed=7)
    values: dict[str, Any] = {
        "id": "job-" + secrets.token_hex(6),
        "owner": "ann",
        "model": "tiny",
        "lane": "default",
        "spec": load_catalog().get("tiny").resolve(request),
        "digest": digest(request),
        "submitted_at": 100.0,
        "updated_at": 100.0,
    }
    return Job(**values | changes)


def submission(key: str | None = None, start_within: float | None = None, **changes: Any) -> Submission:
    """A submission of such a job."""
    return Submission(make_job(**changes), key, start_within)


@dataclass(frozen=True)
class Stores:
    """All stores over one database, as one replica has them."""

    jobs: JobStore
    claims: ClaimStore
    outbox: OutboxStore


def stores(
    database: Database, *, holder: str = "me", lease: float = 30.0, quota: int = 1000, shares: Shares = EQUAL
) -> Stores:
    """Stores of a replica called `holder`."""
    return Stores(
        JobStore(database, ANNOUNCER, quota=quota, keep_seconds=KEEP, shares=shares),
        ClaimStore(database, ANNOUNCER, holder, lease=lease, keep_seconds=KEEP, shares=shares),
        OutboxStore(database),
    )


async def claim(store: Stores, pool: Pool = POOL) -> Job:
    """The next job of the pool; there must be one."""
    (job,) = await store.claims.claim(pool)
    return job


class Folders:
    """A bucket that only deletes folders, and remembers them in order. Raises StorageError while away."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.away = False

    def delete_folder(self, folder: Folder) -> int:
        """Delete a folder."""
        if self.away:
            raise StorageError("S3 is away")
        self.deleted.append(folder.prefix)
        return 0


def use_cases(
    database: Database, bucket: Any, *, keep_seconds: float = 0.0, keep_keys_seconds: float = KEEP,
    quota: int = 1000, keep: float = KEEP,
) -> Jobs:  # fmt: skip
    """The use cases over a database and a bucket, with the model tiny served."""
    catalog = load_catalog()
    served = Served(Settings(endpoints=(Endpoint(model="tiny"),)), catalog)
    store = JobStore(database, ANNOUNCER, quota=quota, keep_seconds=keep)
    retention = Retention(
        bucket, OutboxStore(database), DeadLetterStore(database), keep_seconds, keep_keys_seconds
    )
    watchers = Watchers(WatchStore(database), 1.0)
    pictures = PictureIntake(bucket, Fetcher(bucket, AddressPolicy(()), (), 1 << 20), 1_000_000)
    drafts = Drafts(catalog, served, has_webhooks=True, most_videos=8, reuse=False)
    return Jobs(drafts, store, pictures, Reuse(store, bucket), retention, Signals(), watchers)
