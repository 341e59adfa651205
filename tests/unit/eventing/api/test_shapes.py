"""Resolutions, aspect ratios and lengths by name, for the models of the catalog."""

from __future__ import annotations

import pytest

from eventing.api.videos.shapes import durations, frames_of, named_size, ratio_of, resolution_of
from eventing.contract.catalog import load_catalog
from eventing.contract.errors import InvalidRequest

CATALOG = load_catalog()
WAN, WAN_5B, LTX, COG, TINY = "wan2.2-t2v-a14b", "wan2.2-ti2v-5b", "ltx-2.3", "cogvideox-2b", "tiny"


@pytest.mark.parametrize(
    ("size", "resolution", "ratio"),
    [
        ((1280, 704), "720p", "16:9"),
        ((480, 832), "480p", "9:16"),
        ((848, 480), "480p", "16:9"),
        ((1360, 768), "768p", "16:9"),
        ((768, 512), "512p", "3:2"),
        ((720, 480), "480p", "3:2"),
        ((640, 640), "640p", "1:1"),
        ((2560, 1440), "2K", "16:9"),
        ((64, 160), "64p", "2:5"),
    ],
)
def test_a_size_has_the_names_that_people_use(size: tuple[int, int], resolution: str, ratio: str) -> None:
    assert (resolution_of(size), ratio_of(size)) == (resolution, ratio)


@pytest.mark.parametrize(
    ("model", "resolution", "ratio", "size"),
    [
        (WAN, None, None, None),
        (WAN, "480p", None, (832, 480)),
        (WAN, None, "9:16", (720, 1280)),
        (WAN, "480p", "9:16", (480, 832)),
        (WAN, "720p", "1:1", (720, 720)),  # a free size
        (WAN_5B, "720p", "16:9", (1280, 704)),
        (WAN_5B, "704p", None, (1280, 704)),
        (LTX, "480p", "16:9", (832, 480)),  # a free size on a grid of 32
        (TINY, "128p", "1:1", (128, 128)),
    ],
)
def test_names_become_a_size_of_the_model(
    model: str, resolution: str | None, ratio: str | None, size: tuple[int, int] | None
) -> None:
    entry = CATALOG.get(model)
    assert named_size(resolution, ratio, entry) == size
    assert size is None or entry.makes(*size)


@pytest.mark.parametrize(
    ("model", "resolution", "ratio", "field", "says"),
    [
        (TINY, "720p", None, "resolution", "cannot make 720p; it makes 64p, 128p"),
        (TINY, "64p", "16:9", "aspect_ratio", "cannot make 16:9 at 64p; it makes 1:1"),
        (COG, None, "16:9", "aspect_ratio", "cannot make 16:9; it makes 3:2 (its sizes: 720x480)"),
        (WAN, "4K", "16:9", "resolution", "it makes 720p, 480p (its sizes: 1280x720, "),
        (WAN, "720p", "21:9", "aspect_ratio", "21:9 at 720p; it makes 16:9, 9:16"),
    ],
)
def test_what_cannot_be_had_is_answered_with_what_can(
    model: str, resolution: str | None, ratio: str | None, field: str, says: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        named_size(resolution, ratio, CATALOG.get(model))
    assert error.value.field == field
    assert says in error.value.message


@pytest.mark.parametrize("name", CATALOG.names())
def test_every_name_and_length_that_a_model_lists_can_be_had(name: str) -> None:
    entry = CATALOG.get(name)
    for size in entry.sizes:
        assert named_size(resolution_of(size), ratio_of(size), entry) in entry.sizes
    for seconds in durations(entry):
        frames = frames_of(seconds, entry.fps, entry, "duration")
        assert entry.frames.allows(frames) and abs(frames / entry.fps - seconds) <= 0.5


def test_the_lengths_of_a_model_in_whole_seconds() -> None:
    assert durations(CATALOG.get("shapes-tiny")) == [2]
    assert durations(CATALOG.get(WAN)) == [1, 2, 3, 4, 5]
    assert durations(CATALOG.get(TINY)) == [1, 2, 3, 4, 5, 6]
