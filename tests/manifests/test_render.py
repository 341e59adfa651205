"""Every value set renders and lints in Helm's own engine, and every object meets the schemas it will meet."""

from __future__ import annotations

import helm_python
import pytest

from config.render import CHART, render
from tests.manifests import knative_view
from tests.manifests.kserve_view import knative_service
from tests.manifests.pod_webhook import pod_of
from tests.manifests.schemas import KUBERNETES, crds, need_crds, validate
from tests.manifests.stock import KNATIVE, KSERVE
from tests.manifests.value_sets import EXAMPLES, VALUE_SETS


@pytest.mark.parametrize("name", EXAMPLES)
def test_helm_lints_the_chart(name: str) -> None:
    report = helm_python.lint(CHART, EXAMPLES[name], strict=True)
    assert not [message for message in report["messages"] if message["severity"] > 0]
    assert not report["errors"]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_object_meets_its_schema(name: str) -> None:
    need_crds()
    for body in render(VALUE_SETS[name]):
        validate(body)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_knative_takes_what_kserve_makes_of_it(name: str) -> None:
    need_crds()
    for body in render(VALUE_SETS[name]):
        if body["kind"] == "InferenceService":
            validate(knative_service(body))


def test_the_schemas_are_strict() -> None:
    need_crds()
    body = next(body for body in render(EXAMPLES["cpu-trial"]) if body["kind"] == "InferenceService")
    body["spec"]["predictor"]["maxReplica"] = 1
    with pytest.raises(AssertionError, match="maxReplica"):
        validate(body)


def test_count(capsys: pytest.CaptureFixture[str]) -> None:
    """Says how much was held against what."""
    need_crds()
    objects = [body for values in VALUE_SETS.values() for body in render(values)]
    services = [knative_service(body) for body in objects if body["kind"] == "InferenceService"]
    stored = [knative_view.defaulted(body, stock) for body in services for stock in KNATIVE.values()]
    pods = [pod_of(body, stock) for body in services for stock in KSERVE.values()]
    checks = sum(validate(body) for body in objects + services + stored + pods)
    kinds = {(body["apiVersion"], body["kind"]) for body in objects + services + pods}
    with capsys.disabled():
        print(
            f"\n{len(objects)} objects of {len(kinds)} kinds from {len(VALUE_SETS)} value sets"
            f" ({len(EXAMPLES)} of them examples); {len(services)} Knative Services made from them, defaulted"
            f" by {len(KNATIVE)} versions of Knative, and {len(pods)} pods by {len(KSERVE)} of KServe;"
            f" against {len(crds())} schemas of custom resources and Kubernetes {' and '.join(KUBERNETES)}:"
            f" {checks} validations, all good"
        )
    assert checks > len(objects)


def test_names_differ_within_a_release() -> None:
    for values in VALUE_SETS.values():
        names = [(body["kind"], body["metadata"]["name"]) for body in render(values)]
        assert len(names) == len(set(names))


def test_two_releases_live_in_one_namespace() -> None:
    names = [
        {(body["kind"], body["metadata"]["name"]) for body in render(EXAMPLES["cpu-trial"], name=release)}
        for release in ("one", "two")
    ]
    assert not names[0] & names[1]
