"""The chart and eventing/contract/budget.py derive the same time-outs from every budget Knative can take."""

from __future__ import annotations

import helm_python
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.render import render
from eventing.contract.budget import (
    DRAIN_SECONDS,
    HEARTBEATS_MISSED,
    KNATIVE_WINDOW_LIMIT,
    UPLOAD_SECONDS,
    Budget,
)
from eventing.contract.catalog import CatalogEntry
from eventing.settings import Settings
from predictor.settings import PredictorSettings
from tests.manifests.value_sets import model

SECONDS = st.integers(1, KNATIVE_WINDOW_LIMIT)


@settings(max_examples=60, deadline=None)
@given(cold=SECONDS, generation=SECONDS)
def test_the_chart_computes_what_the_code_computes(cold: int, generation: int) -> None:
    budget = Budget(cold_start_seconds=cold, generation_seconds=generation)
    values = model(coldStartSeconds=cold, generationSeconds=generation) | {"steps": []}
    if budget.revision_timeout > KNATIVE_WINDOW_LIMIT:
        with pytest.raises(helm_python.HelmRenderError, match="generationSeconds"):
            render(values)
        return
    by_kind = {body["kind"]: body for body in render(values)}
    inference, eventing = by_kind["InferenceService"], by_kind["Deployment"]
    assert inference["spec"]["predictor"]["timeout"] == budget.revision_timeout
    deadline = inference["metadata"]["annotations"]["serving.knative.dev/progress-deadline"]
    assert deadline == f"{budget.progress_deadline}s"
    assert eventing["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == budget.eventing_grace


@given(cold=SECONDS, generation=SECONDS)
def test_every_hop_outlasts_the_one_behind_it(cold: int, generation: int) -> None:
    budget = Budget(cold_start_seconds=cold, generation_seconds=generation)
    assert budget.revision_timeout >= cold + budget.predictor_limit, "a request that wakes a pod is not cut"
    assert budget.drain_grace <= budget.revision_timeout - DRAIN_SECONDS, "preStop eats its part of the grace"
    assert budget.drain_grace >= generation + UPLOAD_SECONDS, "a job that just began ends in the drain"
    assert budget.client_timeout > budget.revision_timeout, "the caller outlasts the server"
    assert budget.eventing_grace > budget.client_timeout, "a rollout outlasts every open stream"
    assert budget.progress_deadline >= cold, "a slow first start is no failed revision"


def test_the_services_are_told_the_same_budget() -> None:
    """Eventing and the predictor compute their own limits from the catalog they are given."""
    bodies = render(model(coldStartSeconds=77, generationSeconds=333))
    config = next(body for body in bodies if body["metadata"]["name"] == "reelzero-catalog")
    entry = CatalogEntry.model_validate(yaml.safe_load(config["data"]["tiny.yaml"]))
    assert entry.budget == Budget(cold_start_seconds=77, generation_seconds=333)


def test_the_longest_budget_decides_the_grace_of_eventing() -> None:
    values = model(generationSeconds=10)
    values["models"].append({"name": "mochi-1-preview", "generationSeconds": 1500, "coldStartSeconds": 900})
    deployment = next(body for body in render(values) if body["kind"] == "Deployment")
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace == Budget(cold_start_seconds=900, generation_seconds=1500).eventing_grace


def test_the_chart_knows_the_heartbeats_of_the_code() -> None:
    beat = PredictorSettings.model_fields["heartbeat_seconds"].default
    patience = Settings.model_fields["heartbeat_timeout_seconds"].default
    assert patience >= HEARTBEATS_MISSED * beat
    render(model(settings={"heartbeat_seconds": patience / HEARTBEATS_MISSED}))
    render(model() | {"eventing": {"settings": {"heartbeat_timeout_seconds": HEARTBEATS_MISSED * beat}}})
    with pytest.raises(helm_python.HelmRenderError, match="heartbeat_seconds"):
        render(model(settings={"heartbeat_seconds": patience / HEARTBEATS_MISSED + 0.1}))
    with pytest.raises(helm_python.HelmRenderError, match="heartbeat_timeout_seconds"):
        render(
            model()
            | {"eventing": {"settings": {"heartbeat_timeout_seconds": HEARTBEATS_MISSED * beat - 0.1}}}
        )
