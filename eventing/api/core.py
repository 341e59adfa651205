"""What the routes work with, made once by the service and handed to every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from eventing.catalog import Catalog
from eventing.intake import Intake
from eventing.s3 import Bucket
from eventing.settings import Settings
from eventing.store.claims import ClaimStore
from eventing.store.engine import Database
from eventing.store.jobs import JobStore
from eventing.store.keys import KeyStore
from eventing.store.outbox import OutboxStore
from eventing.wake import Wake


@dataclass(frozen=True)
class Core:
    """The parts behind the API."""

    settings: Settings
    catalog: Catalog
    database: Database
    jobs: JobStore
    claims: ClaimStore
    outbox: OutboxStore
    keys: KeyStore
    bucket: Bucket
    intake: Intake
    wake: Wake


def core_of(request: Request) -> Core:
    """The core of the running application."""
    return cast(Core, request.app.state.core)


CoreDep = Annotated[Core, Depends(core_of)]
