"""Make the manifest of a story that is over. Pure."""

from __future__ import annotations

from eventing.contract.records.story_manifest import ManifestStep, StoryManifest
from eventing.domain.envelope import timestamp
from eventing.domain.story import Story, StoryStep


def manifest_of(story: Story) -> StoryManifest:
    """Return what is known of a story and its steps."""
    costs = [step.cost for step in story.steps if step.cost is not None]
    return StoryManifest(
        story=story.public_id,
        status=story.status,
        revised_from=story.revised_from,
        submitted_at=timestamp(story.submitted_at).isoformat(),
        completed_at=timestamp(story.completed_at).isoformat() if story.completed_at else None,
        request=dict(story.document),
        cost=sum(costs) if costs else None,
        steps=tuple(map(_entry, story.steps)),
    )


def _entry(step: StoryStep) -> ManifestStep:
    return ManifestStep(
        name=step.name,
        uses=step.uses,
        version=step.version,
        state=str(step.state),
        fingerprint=step.fingerprint,
        parameters=dict(step.parameters),
        sources=dict(step.sources),
        fetched=dict(step.fetched),
        outputs=dict(step.outputs),
        reused=step.reused,
        seconds=step.used_seconds,
        cost=step.cost,
        job_id=step.job_id,
        error=step.error,
    )
