"""The parts of one replica, made once from settings and shared by the API, the dispatcher and the tools."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass

from eventing.contract.catalog import Catalog, load_catalog
from eventing.contract.errors import ConfigurationError
from eventing.contract.s3 import Bucket
from eventing.domain.announcer import Announcer
from eventing.jobs import Intake
from eventing.settings import Settings
from eventing.signal import Wake
from eventing.store.claims import ClaimStore
from eventing.store.dead_letters import DeadLetterStore
from eventing.store.engine import Database
from eventing.store.jobs import JobStore
from eventing.store.keys import KeyStore
from eventing.store.outbox import OutboxStore


@dataclass(frozen=True)
class Core:
    """Settings, catalog, stores and bucket."""

    settings: Settings
    catalog: Catalog
    database: Database
    jobs: JobStore
    claims: ClaimStore
    outbox: OutboxStore
    keys: KeyStore
    dead_letters: DeadLetterStore
    bucket: Bucket
    intake: Intake
    wake: Wake  # a job may start
    due: Wake  # a message may be delivered


def build_core(settings: Settings) -> Core:
    """Make the parts. Opens no connection yet. Raises ConfigurationError."""
    database = Database(settings.database_url, settings.database_connections)
    keep = settings.retention_hours * 3600
    announcer = Announcer(settings.source, settings.public_url.rstrip("/"), bool(settings.sink_url))
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    jobs = JobStore(database, announcer, quota=settings.queue_quota, keep_seconds=keep)
    catalog = load_catalog(settings.catalog_dir)
    for endpoint in settings.endpoints:
        if endpoint.model not in catalog.names():
            raise ConfigurationError(
                f"REELZERO_ENDPOINTS: unknown model {endpoint.model!r}", field="REELZERO_ENDPOINTS"
            )
    wake = Wake()
    return Core(
        settings=settings,
        catalog=catalog,
        database=database,
        jobs=jobs,
        claims=ClaimStore(database, announcer, holder, lease=settings.lease_seconds, keep_seconds=keep),
        outbox=OutboxStore(database),
        keys=KeyStore(database),
        dead_letters=DeadLetterStore(database),
        bucket=Bucket(settings.s3()),
        intake=Intake(settings, catalog, jobs, wake),
        wake=wake,
        due=Wake(),
    )
