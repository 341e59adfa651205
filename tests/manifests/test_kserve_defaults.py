"""What the webhooks of KServe and Knative make of our predictors, in every version that the chart knows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from config.render import render
from eventing.contract.budget import KNATIVE_WINDOW_LIMIT
from tests.manifests import knative_view, kserve_view
from tests.manifests.kserve_view import above_their_limits, knative_service
from tests.manifests.pod_webhook import injected_agents, pod_of
from tests.manifests.schemas import validate
from tests.manifests.stock import KNATIVE, KSERVE
from tests.manifests.value_sets import EXAMPLES, VALUE_SETS, model

Body = dict[str, Any]
GPU = ["gpu-cogvideox", "mochi-80gb"]
FETCHED = {
    "fetched": "s3://models/tiny",
    "claimed": "pvc://weights/tiny",
    "a modelcar": "oci://registry/tiny:1",
}
SETS = VALUE_SETS | {name: model(storage={"uri": uri}) for name, uri in FETCHED.items()}
SECRETS = ("model-store",)


def predictors(values: Body) -> Iterator[Body]:
    yield from (body for body in render(values) if body["kind"] == "InferenceService")


def container(inference: Body) -> Body:
    return dict(inference["spec"]["predictor"]["containers"][0])


@pytest.mark.parametrize("name", SETS)
def test_what_kserve_stores_is_what_we_rendered(name: str) -> None:
    for body in predictors(SETS[name]):
        assert not above_their_limits(container(body)["resources"])
        for stock in KSERVE.values():
            assert kserve_view.defaulted(body, stock) == body


@pytest.mark.parametrize("example", GPU)
@pytest.mark.parametrize("version", KSERVE)
def test_without_limits_a_gpu_example_would_be_refused(version: str, example: str) -> None:
    body = copy.deepcopy(next(predictors(EXAMPLES[example])))
    for name in ("cpu", "memory"):
        del container(body)["resources"]["limits"][name]
    stored = kserve_view.defaulted(body, KSERVE[version])
    assert set(above_their_limits(container(stored)["resources"])) == {"cpu", "memory"}


@pytest.mark.parametrize("name", SETS)
def test_knative_fills_in_nothing_that_ends_a_job_or_a_pod(name: str) -> None:
    """All that its webhook adds to a revision: no Service variables, and the rest of a probe."""
    for body in predictors(SETS[name]):
        ours = knative_service(body)
        for stock in KNATIVE.values():
            pod = knative_view.defaulted(ours, stock)["spec"]["template"]["spec"]
            assert pod.pop("enableServiceLinks") is False
            assert pod["containers"][0]["readinessProbe"].pop("successThreshold") == 1
            assert pod == ours["spec"]["template"]["spec"]
            assert pod["timeoutSeconds"] == pod["responseStartTimeoutSeconds"]
            assert "idleTimeoutSeconds" not in pod, (
                "a heartbeat is no promise: silence must not end a request"
            )


@pytest.mark.parametrize("version", KNATIVE)
def test_a_stock_maximum_refuses_what_the_platform_allows(version: str) -> None:
    (body,) = predictors(model(coldStartSeconds=300, generationSeconds=300))
    stored = knative_view.defaulted(knative_service(body), KNATIVE[version])
    assert knative_view.refusals(stored, KNATIVE[version].maximum)
    assert not knative_view.refusals(stored, KNATIVE_WINDOW_LIMIT)


@pytest.mark.parametrize("name", SETS)
def test_the_pod_webhook_makes_pods_that_kubernetes_takes(name: str) -> None:
    """Its volumes and mounts collide with none of ours, and each mount has its volume."""
    for body in predictors(SETS[name]):
        service = knative_service(body)
        assert not injected_agents(service)
        for stock in KSERVE.values():
            pod = pod_of(service, stock, SECRETS)
            validate(pod)
            volumes = [volume["name"] for volume in pod["spec"]["volumes"]]
            assert len(volumes) == len(set(volumes))
            for item in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
                mounts = item.get("volumeMounts", [])
                assert {mount["name"] for mount in mounts} <= set(volumes)
                assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
                assert not above_their_limits(item["resources"])


@pytest.mark.parametrize("version", KSERVE)
@pytest.mark.parametrize("uri", FETCHED.values(), ids=FETCHED.keys())
def test_weights_are_mounted_where_the_predictor_looks(uri: str, version: str) -> None:
    (body,) = predictors(model(storage={"uri": uri}))
    spec = pod_of(knative_service(body), KSERVE[version], SECRETS)["spec"]
    main = spec["containers"][0]
    env = {item["name"]: item.get("value") for item in main["env"]}
    folder = env["REELZERO_MODEL_DIR"]
    assert folder is not None
    mounts = {mount["mountPath"]: mount for mount in main["volumeMounts"]}
    assert folder in mounts or folder.rpartition("/")[0] in mounts
    if folder in mounts:
        assert mounts[folder]["readOnly"] is True


@pytest.mark.parametrize("version", KSERVE)
def test_keys_of_the_weights_never_reach_the_model(version: str) -> None:
    (body,) = predictors(model(storage={"uri": FETCHED["fetched"]}) | {"s3": {"workloadIdentity": True}})
    spec = pod_of(knative_service(body), KSERVE[version], SECRETS)["spec"]
    assert "secretKeyRef" in str(spec["initContainers"])
    assert "secretKeyRef" not in str(spec["containers"])


def test_a_modelcar_with_a_uid_takes_our_security_context_away() -> None:
    """As KServe has done since 0.15; config/platform/README.md says what to set against it."""
    (body,) = predictors(model(storage={"uri": FETCHED["a modelcar"]}))
    contexts = {
        version: pod_of(knative_service(body), stock)["spec"]["containers"][0]["securityContext"]
        for version, stock in KSERVE.items()
    }
    assert contexts.pop("0.14") == container(body)["securityContext"], "no modelcar there"
    assert all(context == {"runAsUser": 1010} for context in contexts.values())
