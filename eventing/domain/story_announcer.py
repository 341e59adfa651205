"""Make the messages of what happens to a story, each with its destination. Pure: no clock, no network.

The events of one change follow from the difference of the two stories: the first step that begins, each step
that is completed, and the end, as `Story.sequence` counts them. The `id` of an event is made of the story's
row and the number of the event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from eventing.contract.records.events import (
    STORY_STARTED,
    STORY_STEP_COMPLETED,
    STORY_TERMINAL,
    StoryEventData,
    StoryStepEventData,
    StoryStepState,
)
from eventing.contract.records.models import Frozen, Status
from eventing.contract.records.steps import story_prefix
from eventing.domain.announcer import Message
from eventing.domain.destinations import Destination, S3Object, Sink, Webhook
from eventing.domain.envelope import cloudevent, number, timestamp
from eventing.domain.story import StepState, Story, StoryStep
from eventing.domain.story_result import result_of


@dataclass(frozen=True)
class StoryAnnouncer:
    """Makes the messages of stories. `sink` tells whether a sink is configured."""

    source: str
    public_url: str
    sink: bool

    def transition(self, old: Story, new: Story) -> list[Message]:
        """Return the messages of what differs between two states of a story, numbered after the old one."""
        messages: list[Message] = []
        for sequence, (kind, data) in enumerate(self._events(old, new), start=old.sequence + 1):
            messages += self._messages(kind, data, replace(new, sequence=sequence))
        return messages

    def _events(self, old: Story, new: Story) -> Iterator[tuple[str, Frozen]]:
        """Yield the type and the payload of each event, in order."""
        if new.started_at is not None and old.started_at is None:
            yield STORY_STARTED, self._data(new)
        before = old.by_name
        for step in new.steps:
            if step.state is StepState.completed and before[step.name].state is not StepState.completed:
                yield STORY_STEP_COMPLETED, _step_data(new, step)
        if new.is_over and not old.is_over:
            yield STORY_TERMINAL[new.status], self._data(new)

    def _messages(self, kind: str, data: Frozen, story: Story) -> list[Message]:
        event_id = f"{story.id}-{story.sequence}"
        body = json.dumps(self._event(kind, event_id, data, story))
        return [
            Message(
                event_id=event_id,
                event_type=kind,
                job_id=story.id,
                owner=story.owner,
                sequence=story.sequence,
                destination=destination,
                body=body,
                traceparent=story.traceparent,
            )
            for destination in _destinations(kind, story)
            if self.sink or not isinstance(destination, Sink)
        ]

    def _event(self, kind: str, event_id: str, data: Frozen, story: Story) -> dict[str, Any]:
        return cloudevent(
            self.source, kind, event_id, story.public_id, data, story.traceparent,
            at=story.updated_at, sequence=number(story.sequence),
        )  # fmt: skip

    def _data(self, story: Story) -> StoryEventData:
        is_completed = story.is_over and story.status is Status.completed
        files = vars(result_of(story)) if is_completed else {}
        return StoryEventData(
            story_id=story.public_id,
            status=story.status,
            steps=tuple(_state(step) for step in story.steps),
            result_url=f"{self.public_url}/v1/stories/{story.public_id}/result" if is_completed else None,
            error=story.error,
            revised_from=story.revised_from,
            metadata=dict(story.metadata),
            submitted_at=timestamp(story.submitted_at),
            completed_at=timestamp(story.completed_at) if story.completed_at else None,
            **files,
        )


def _destinations(kind: str, story: Story) -> Iterator[Destination]:
    """Yield where an event goes: the end also into the story's folder and to its webhook."""
    yield Sink()
    if kind in STORY_TERMINAL.values():
        yield S3Object(story_prefix(story.id) + "event.json")
        if story.callback_url:
            yield Webhook(story.callback_url)


def _state(step: StoryStep) -> StoryStepState:
    return StoryStepState(
        name=step.name, uses=step.uses, state=str(step.state), reused=step.reused, error=step.error
    )


def _step_data(story: Story, step: StoryStep) -> StoryStepEventData:
    return StoryStepEventData(
        story_id=story.public_id,
        step=step.name,
        uses=step.uses,
        reused=step.reused,
        outputs=dict(step.outputs),
        metadata=dict(story.metadata),
    )
