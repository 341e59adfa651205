"""The doctor finds each mistake that is planted into the chart's output, and nothing without one."""

from __future__ import annotations

import pytest

from eventing.doctor.objects.manifests import Manifest, Manifests
from eventing.doctor.registry import examine, rules
from tests.manifests.planting import Mistake, Object, mistakes, planted, platform, rendered
from tests.manifests.value_sets import VALUE_SETS


def rules_in(bodies: list[Object]) -> set[str]:
    manifests = Manifests(tuple(Manifest(body) for body in bodies))
    return {finding.rule for finding in examine(manifests)}


@pytest.mark.parametrize("mistake", mistakes(), ids=str)
def test_a_planted_mistake_is_found_by_its_rule_alone(mistake: Mistake) -> None:
    assert rules_in(planted(mistake)) == {mistake.rule, *mistake.also}


@pytest.mark.parametrize("name", VALUE_SETS)
def test_nothing_is_found_where_nothing_is_planted(name: str) -> None:
    assert rules_in([*platform(), *rendered(name)]) == set()


def test_an_autoscaler_that_only_recommends_is_no_finding() -> None:
    (vertical,) = [mistake for mistake in mistakes() if "VerticalPodAutoscaler" in mistake.what]
    bodies = planted(vertical)
    bodies[-1]["spec"]["updatePolicy"] = {"updateMode": "Off"}
    assert rules_in(bodies) == set()


def test_there_are_enough_of_them_and_a_third_of_sixty_is_from_public_issues() -> None:
    seen = [mistake for mistake in mistakes() if mistake.seen]
    assert len(mistakes()) >= 80
    assert len(seen) >= 27
    assert {mistake.rule for mistake in mistakes()} <= rules().keys()
