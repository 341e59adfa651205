"""The shares of deliveries, against a simple model of the promise."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from eventing.domain.room import Room, line_of

PLACES = 32
LINES = [line_of("webhook", owner) for owner in "abcd"] + [line_of("sink", "a"), line_of("s3", "b")]
# A claim of a line's messages, or the end of one of its deliveries.
moves = st.lists(st.tuples(st.sampled_from(LINES), st.booleans()), max_size=200)


@given(moves)
def test_no_line_holds_more_than_its_share(history: list[tuple[tuple[str, str], bool]]) -> None:
    held: Counter[tuple[str, str]] = Counter()
    for line, ends in history:
        if ends:
            held[line] -= held[line] > 0
            continue
        room, free = Room(PLACES, held.elements()), PLACES - held.total()
        assert room.free == free
        took = room.take(line)
        assert took == (held[line] < free)
        held[line] += took
        assert held[line] <= PLACES // 2
        # Each line that holds something may halve what is free, and no more.
        assert PLACES - held.total() >= PLACES >> len(+held)


@given(st.dictionaries(st.sampled_from(LINES), st.integers(0, 100), min_size=1))
def test_lines_that_come_together_get_equal_parts(due: dict[tuple[str, str], int]) -> None:
    room, got = Room(PLACES), Counter(dict.fromkeys(due, 0))
    for turn in range(100):
        for line, number in due.items():
            got[line] += turn < number and room.take(line)
    waiting = [line for line, number in due.items() if got[line] < number]
    for line in waiting:  # one that waits has at least as much as any other, give or take one place
        assert all(got[line] >= got[other] - 1 for other in due)
        assert got[line] >= room.free


def test_one_room_serves_a_whole_claim() -> None:
    room = Room(8, [line_of("webhook", "a")] * 3)
    assert [room.take(line_of("webhook", "a")) for _ in range(3)] == [True, False, False]
    assert room.full == {line_of("webhook", "a")}
    assert room.take(line_of("webhook", "b"))


@given(st.lists(st.sampled_from(LINES), max_size=PLACES), st.lists(st.sampled_from(LINES), min_size=PLACES))
def test_messages_that_have_a_place_for_certain_get_one(
    under_way: list[tuple[str, str]], due: list[tuple[str, str]]
) -> None:
    room = Room(PLACES, under_way)
    certain = room.for_any
    assert all(room.take(line) for line in due[:certain])
    room, most = Room(PLACES, under_way), max(LINES, key=under_way.count)
    assert [room.take(most) for _ in range(certain + 1)] == [True] * certain + [False]
