"""The parts of one replica, made once from the settings and shared by the API, dispatcher and tools."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eventing.contract.catalog import Catalog, load_catalog
from eventing.contract.http.ssrf import AddressPolicy
from eventing.contract.storage.s3 import Bucket
from eventing.contract.stories.catalog import StepTypes, load_step_types
from eventing.costs import Costs
from eventing.domain.announcer import Announcer
from eventing.domain.pool import PredictorState
from eventing.domain.turns import Shares
from eventing.drafts import Drafts
from eventing.estimates import Estimates
from eventing.feeds import Feeds
from eventing.jobs import Jobs, Retention
from eventing.pictures.fetch import Fetcher
from eventing.pictures.intake import PictureIntake
from eventing.prompts import Prompts
from eventing.reuse import Reuse
from eventing.served import Obstacle, Served, no_obstacle
from eventing.settings import Settings, pairs
from eventing.signal import Signals
from eventing.store.claims import ClaimStore
from eventing.store.database.engine import Database
from eventing.store.dead_letters import DeadLetterStore
from eventing.store.forecast import ForecastStore
from eventing.store.jobs import JobStore
from eventing.store.keys import KeyStore
from eventing.store.levels import LevelStore
from eventing.store.outbox import OutboxStore
from eventing.store.overview import OverviewStore
from eventing.store.stories import StoryStore
from eventing.store.usage import UsageStore
from eventing.store.watched import WatchStore
from eventing.stories.build import Parts, build_stories, served_types
from eventing.stories.stories import Stories
from eventing.story_watchers import StoryWatchers
from eventing.watchers import Watchers

Predictors = Callable[[], list[PredictorState]]


@dataclass(frozen=True)
class Container:
    """Settings, catalog, stores, bucket, signals, and the use cases over them."""

    settings: Settings
    catalog: Catalog
    step_types: StepTypes  # that have workers here
    served: Served
    prompts: Prompts
    database: Database
    jobs: Jobs
    job_store: JobStore
    claims: ClaimStore
    outbox: OutboxStore
    keys: KeyStore
    dead_letters: DeadLetterStore
    watchers: Watchers
    feeds: Feeds
    bucket: Bucket
    signals: Signals
    overview: OverviewStore
    levels: LevelStore
    predictors: Predictors
    logs: Path | None  # folder of the logs of this machine, where this process knows of one
    costs: Costs
    usage: UsageStore
    estimates: Estimates
    stories: Stories
    story_watchers: StoryWatchers


def build_container(
    settings: Settings,
    obstacle: Obstacle = no_obstacle,
    predictors: Predictors = list,
    logs: Path | None = None,
) -> Container:
    """Make the parts. Opens no connection yet. Raises ConfigurationError."""
    database = Database(settings.database_url, settings.database_connections)
    catalog = load_catalog(settings.catalog_dir)
    served = Served(settings, catalog, obstacle)
    keep = settings.retention_hours * 3600
    announcer = Announcer(settings.source, settings.public_url.rstrip("/"), bool(settings.sink_url))
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    weights = {owner: int(weight) for owner, weight in pairs(settings.owner_weights).items()}
    shares = Shares(weights, settings.owner_running)
    store = JobStore(database, announcer, quota=settings.queue_quota, keep_seconds=keep, shares=shares)
    outbox, dead_letters = OutboxStore(database), DeadLetterStore(database)
    bucket, signals = Bucket(settings.s3()), Signals()
    retention = Retention(bucket, outbox, dead_letters, keep, max(keep, settings.idempotency_hours * 3600))
    watch_store = WatchStore(database)
    watchers = Watchers(watch_store, settings.poll_seconds)
    addresses = AddressPolicy(settings.picture_allow, "pictures", "REELZERO_PICTURE_ALLOW")
    fetcher = Fetcher(bucket, addresses, settings.picture_s3_allow, settings.max_picture_bytes)
    pictures = PictureIntake(bucket, fetcher, settings.max_picture_pixels)
    drafts = Drafts(
        catalog, served, has_webhooks=bool(settings.webhook_secrets),
        most_videos=min(settings.max_videos, settings.queue_quota), reuse=settings.reuse,
    )  # fmt: skip
    claims = ClaimStore(
        database, announcer, holder, lease=settings.lease_seconds, keep_seconds=keep, shares=shares
    )
    step_types = served_types(load_step_types(settings.steps_dir), settings)
    costs = Costs(settings, catalog, step_types)
    jobs = Jobs(drafts, store, pictures, Reuse(store, bucket), retention, signals, watchers)
    estimates = Estimates(
        settings, catalog, drafts, store, claims, ForecastStore(database), costs, predictors
    )
    story_store = StoryStore(database, quota=settings.queue_quota, shares=shares)
    parts = Parts(
        settings=settings, catalog=catalog, served=served, types=step_types, store=story_store,
        job_store=store, jobs=jobs, pictures=pictures, bucket=bucket, costs=costs, estimates=estimates,
        signals=signals, watchers=watchers,
    )  # fmt: skip
    return Container(
        settings=settings,
        catalog=catalog,
        step_types=step_types,
        served=served,
        prompts=Prompts(catalog),
        database=database,
        jobs=jobs,
        job_store=store,
        claims=claims,
        outbox=outbox,
        keys=KeyStore(database),
        dead_letters=dead_letters,
        watchers=watchers,
        feeds=Feeds(watch_store, watchers.changes, settings.poll_seconds),
        bucket=bucket,
        signals=signals,
        overview=OverviewStore(database),
        levels=LevelStore(database, settings.routes),
        predictors=predictors,
        logs=logs,
        costs=costs,
        usage=UsageStore(database),
        estimates=estimates,
        stories=build_stories(parts),
        story_watchers=StoryWatchers(
            story_store, (watchers.changes, signals.story_due), settings.poll_seconds
        ),
    )
