"""The doctor among neighbours: manifests as other people write them have no findings and hide none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from config.render import render
from eventing.doctor.objects.manifests import Manifest, Manifests, parse
from eventing.doctor.registry import examine
from tests.manifests.schemas import crds, need_crds, validate
from tests.manifests.test_doctor import MISTAKES
from tests.manifests.value_sets import EXAMPLES

STRANGERS = sorted((Path(__file__).parent / "strangers").glob("*.yaml"))
BY_NAME = pytest.mark.parametrize("path", STRANGERS, ids=lambda path: path.stem)


def read(path: Path) -> tuple[str, str]:
    return path.name, path.read_text(encoding="utf-8")


@cache
def neighbours() -> tuple[Manifest, ...]:
    return parse(map(read, STRANGERS)).objects


def test_there_are_enough_of_them() -> None:
    assert len(STRANGERS) >= 25


@BY_NAME
def test_nothing_is_found_in_a_manifest_of_others(path: Path) -> None:
    assert examine(parse([read(path)])) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_neighbours_change_nothing_for_a_render_of_ours(name: str) -> None:
    bodies = render(EXAMPLES[name])
    for body in bodies:
        body["metadata"]["namespace"] = "reelzero"
    alone = parse([(name, yaml.safe_dump_all(bodies))])
    assert examine(alone) == []
    assert examine(Manifests(neighbours() + alone.objects)) == []


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_neighbours_hide_no_mistake_of_ours(path: Path) -> None:
    mistake = parse([read(path)])
    assert examine(Manifests(neighbours() + mistake.objects)) == examine(mistake)


@BY_NAME
def test_a_cluster_takes_them(path: Path) -> None:
    """Where a schema is at hand, so that the corpus is of the shape that people apply."""
    need_crds()
    for item in parse([read(path)]).objects:
        if (item.body["apiVersion"], item.kind) in crds():
            validate(item.body)
