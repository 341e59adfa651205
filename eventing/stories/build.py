"""Make the use cases of stories from the parts of a replica."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eventing.contract.catalog import Catalog
from eventing.contract.errors import ConfigurationError, InvalidRequest
from eventing.contract.storage.s3 import Bucket
from eventing.contract.stories.catalog import StepTypes
from eventing.contract.stories.scenes import load_templates
from eventing.costs import Costs
from eventing.domain.story_announcer import StoryAnnouncer
from eventing.domain.story_length import Pool
from eventing.estimates import Estimates
from eventing.jobs import Jobs
from eventing.pictures.intake import PictureIntake
from eventing.served import Served
from eventing.settings import Settings
from eventing.signal import Signals
from eventing.store.jobs import JobStore
from eventing.store.stories import StoryStore
from eventing.stories.advance import Advance
from eventing.stories.decide import Decisions
from eventing.stories.inputs import InputFiles
from eventing.stories.plan import Planner
from eventing.stories.scenes import Scenes
from eventing.stories.step_jobs import StepJobs
from eventing.stories.stories import Stories
from eventing.stories.videos import VideoSteps
from eventing.watchers import Watchers


@dataclass(frozen=True)
class Parts:
    """What stories are built on. `types` are the step types that have workers here."""

    settings: Settings
    catalog: Catalog
    served: Served
    types: StepTypes
    store: StoryStore
    job_store: JobStore
    jobs: Jobs
    pictures: PictureIntake
    bucket: Bucket
    costs: Costs
    estimates: Estimates
    signals: Signals
    watchers: Watchers


def build_stories(parts: Parts) -> Stories:
    """Return the use cases and their loop, which is not started yet."""
    settings = parts.settings
    videos = VideoSteps(parts.catalog, parts.served, parts.estimates.history)
    announcer = StoryAnnouncer(settings.source, settings.public_url.rstrip("/"), bool(settings.sink_url))
    decisions = Decisions(
        store=parts.store,
        bucket=parts.bucket,
        jobs=StepJobs(videos, parts.types, parts.pictures),
        costs=parts.costs,
        announcer=announcer,
        keep_seconds=settings.retention_hours * 3600,
    )
    slots = _slots(settings)
    planner = Planner(
        scenes=Scenes(load_templates(settings.steps_dir), parts.catalog, parts.served),
        videos=videos,
        types=parts.types,
        costs=parts.costs,
        inputs=InputFiles(parts.bucket, parts.pictures),
        slots=lambda pool: slots.get(pool, 1),
        has_webhooks=bool(settings.webhook_secrets),
    )
    return Stories(
        planner=planner,
        store=parts.store,
        job_store=parts.job_store,
        jobs=parts.jobs,
        loop=Advance(parts.store, decisions, parts.jobs, parts.signals, parts.watchers),
        bucket=parts.bucket,
        signals=parts.signals,
        watchers=parts.watchers,
    )


def served_types(types: StepTypes, settings: Settings) -> StepTypes:
    """Return the step types that have workers here. Raises ConfigurationError for one that is not known."""
    try:
        return types.only({kind for each in settings.step_endpoints for kind in each.types})
    except InvalidRequest as error:
        setting = "REELZERO_STEP_ENDPOINTS"
        raise ConfigurationError(f"{setting}: {error.message}", field=setting) from error


def _slots(settings: Settings) -> Mapping[Pool, int]:
    """Return how many jobs of each model and lane, or of each step type, run at once."""
    videos = {(each.model, each.lane): each.capacity for each in settings.endpoints}
    steps = {(kind, "default"): each.capacity for each in settings.step_endpoints for kind in each.types}
    return videos | steps
