"""Stories: steps begin when what they need is there, and every story ends in one way."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.contract.records.models import Failure, Status
from eventing.contract.records.results import StoredFile
from eventing.domain import story as state
from eventing.domain.story import StepState, Story, StoryStep
from eventing.domain.story_inputs import MissingOutput, fingerprint, inputs_of

BROKEN = Failure(code="step_failed", message="it is broken")
CANCELLED = Failure(code="cancelled", message="cancelled")


def step(name: str, *needs: str, seconds: float = 1, **fields: object) -> StoryStep:
    sources = {"clips": tuple(f"{need}.out" for need in needs)}
    values = {"uses": "fit", "version": 1, "parameters": {"width": 64}, "sources": sources} | fields
    return StoryStep(name=name, needs=frozenset(needs), seconds=seconds, **values)  # type: ignore[arg-type] # any of them


def story(*steps: StoryStep) -> Story:
    return Story("s", "ann", steps, 0.0, 0.0)


def made(name: str) -> dict[str, StoredFile]:
    return {
        "out": StoredFile(uri=f"s3://b/{name}", sha256=name.encode().hex(), bytes=3, content_type="video/mp4")
    }


def names(steps: tuple[StoryStep, ...]) -> list[str]:
    return [each.name for each in steps]


FILM = story(step("a"), step("b"), step("film", "a", "b", seconds=2))


def test_a_step_begins_when_all_that_it_needs_is_there() -> None:
    assert (names(state.ready(FILM)), FILM.status) == (["a", "b"], Status.queued)
    one = state.begin(FILM, "a", "job", 1.0)
    assert (names(state.ready(one)), one.status) == (["b"], Status.in_progress)
    one = state.complete(one, "a", made("a"), 2.0)
    assert names(state.ready(one)) == ["b"]
    both = state.reuse(one, "b", made("b"), 3.0, "print")
    assert names(state.ready(both)) == ["film"]
    over = state.complete(both, "film", made("film"), 4.0)
    assert (over.status, over.completed_at, over.error) == (Status.completed, 4.0, None)


def test_the_share_that_is_done_is_weighed_by_expected_seconds() -> None:
    one = state.complete(FILM, "a", made("a"), 1.0)
    assert one.percent({}) == 25
    assert state.begin(one, "b", "job", 1.0).percent({"b": 50}) == 37


def test_a_failed_step_fails_the_story_after_those_that_run() -> None:
    one = state.begin(state.begin(FILM, "a", "j1", 1.0), "b", "j2", 1.0)
    failing = state.fail(one, "a", BROKEN, 2.0)
    assert (failing.status, names(state.ready(failing))) == (Status.in_progress, [])
    over = state.complete(failing, "b", made("b"), 3.0)
    assert (over.status, over.completed_at) == (Status.failed, 3.0)
    assert over.error and over.error.message == "steps.a: it is broken"
    assert over.by_name["film"].state is StepState.skipped


def test_a_cancelled_story_ends_with_its_running_jobs() -> None:
    one = state.cancel(state.begin(FILM, "a", "job", 1.0), 2.0)
    assert [each.state for each in one.steps] == [StepState.running, StepState.skipped, StepState.skipped]
    over = state.fail(one, "a", CANCELLED, 3.0)
    assert (over.status, over.completed_at) == (Status.cancelled, 3.0)
    assert state.cancel(over, 4.0) == over


def test_the_job_of_a_step_that_is_cancelled_alone_ends_the_story() -> None:
    over = state.fail(state.begin(FILM, "a", "job", 1.0), "a", CANCELLED, 2.0)
    assert over.status is Status.cancelled


def test_a_retry_continues_from_what_is_completed() -> None:
    failed = state.fail(state.complete(FILM, "a", made("a"), 1.0), "b", BROKEN, 2.0)
    again = state.retry(failed, 3.0)
    assert (again.status, names(state.ready(again))) == (Status.in_progress, ["b"])
    assert again.by_name["a"].outputs == made("a")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"name": "other"}, True),
        ({"parameters": {"width": 32}}, False),
        ({"version": 2}, False),
        ({"uses": "title"}, False),
        ({"sources": {"clips": ("b.out", "a.out")}}, False),
    ],
)
def test_equal_steps_have_equal_fingerprints(change: dict[str, object], same: bool) -> None:
    first, second = step("film", "a", "b"), StoryStep(**(vars(step("film", "a", "b")) | change))
    one = story(*(step(name, state=StepState.completed, outputs=made(name)) for name in "ab"))
    prints = [fingerprint(each, inputs_of(one, each)) for each in (first, second)]
    assert (prints[0] == prints[1]) is same


def test_the_fingerprint_has_the_bytes_of_inputs_and_not_their_places() -> None:
    def at(address: str, content: str) -> str:
        file = made(content)["out"]
        one = step("a", sources={"clips": (address,)}, fetched={address: file})
        return fingerprint(one, inputs_of(story(one), one))

    assert at("https://a/x", "1") == at("https://b/y", "1")
    assert at("https://a/x", "1") != at("https://a/x", "2")


def test_an_input_that_names_an_output_that_was_left_out_is_named() -> None:
    one = state.complete(FILM, "a", {}, 1.0)
    with pytest.raises(MissingOutput, match=r"inputs.clips: the step a left no out, which it may leave out"):
        inputs_of(one, one.by_name["film"])


def test_each_try_of_a_step_has_a_job_id_of_its_own_which_is_always_the_same() -> None:
    first = state.job_id_of(FILM, FILM.by_name["a"])
    again = state.retry(state.fail(state.begin(FILM, "a", first, 1.0), "a", BROKEN, 2.0), 3.0)
    ids = {state.job_id_of(FILM, FILM.by_name[name]) for name in "ab"}
    assert (first in ids, len(ids)) == (True, 2)
    assert state.job_id_of(again, again.by_name["a"]) not in ids


def test_the_sequence_counts_the_start_each_completed_step_and_the_end() -> None:
    one = state.begin(FILM, "a", "job", 1.0)
    assert (one.sequence, one.started_at) == (1, 1.0)
    one = state.complete(state.complete(one, "a", made("a"), 2.0), "a", made("a"), 2.0)
    assert one.sequence == 2
    one = state.complete(state.complete(one, "b", made("b"), 3.0), "film", made("film"), 4.0)
    assert (one.sequence, one.started_at) == (5, 1.0)
    assert state.cancel(FILM, 1.0).sequence == 1


@given(st.integers(0, 10_000))
def test_every_story_ends_once_in_any_order_of_events(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(1, 8)
    steps = [step(f"s{n}", *(f"s{m}" for m in range(n) if chance.random() < 0.4)) for n in range(size)]
    one, ends = story(*steps), 0
    for now in range(200):
        before = one
        begun = [each for each in one.steps if each.state is StepState.running]
        ready = state.ready(one)
        assert all(
            {one.by_name[need].state for need in each.needs} <= {StepState.completed} for each in ready
        )
        if ready and (not begun or chance.random() < 0.5):
            one = state.begin(one, chance.choice(ready).name, "job", float(now))
        elif begun:
            name = chance.choice(begun).name
            luck = chance.random()
            if luck < 0.8:
                one = state.complete(one, name, made(name), float(now))
            else:
                one = state.fail(one, name, BROKEN if luck < 0.9 else CANCELLED, float(now))
        ends += one.is_over and not before.is_over
        if one.is_over:
            break
    assert (ends, one.is_over) == (1, True)
    assert one.completed_at is not None
    assert (one.status is Status.completed) == all(each.state is StepState.completed for each in one.steps)
