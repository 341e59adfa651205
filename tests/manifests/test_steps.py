"""Services of steps: from zero, without keys, at the capacity that eventing knows, in any image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.render import render
from eventing.contract.stories.catalog import load_step_types
from eventing.contract.stories.types import StepType
from eventing.settings import StepEndpoint
from steps.runner.settings import read
from tests.manifests.test_policy import RENDERED, Body, eventing_of, of, step_services
from tests.manifests.test_refusals import assert_refused
from tests.manifests.value_sets import ALIGN, model

ELSEWHERE = RENDERED["elsewhere"]
each = pytest.mark.parametrize("name", ["least", "elsewhere", "cpu-trial"])


def service(bodies: list[Body], name: str) -> Body:
    (body,) = [body for body in step_services(bodies) if body["metadata"]["name"].endswith(f"-{name}")]
    return body


def container(body: Body) -> Body:
    (only,) = body["spec"]["template"]["spec"]["containers"]
    result: Body = only
    return result


def variables(body: Body) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container(body)["env"]}


def config(bodies: list[Body], name: str) -> dict[str, str]:
    (data,) = [
        body["data"] for body in of(bodies, "ConfigMap") if body["metadata"]["name"].endswith(f"-{name}")
    ]
    result: dict[str, str] = data
    return result


def endpoints(bodies: list[Body]) -> list[StepEndpoint]:
    entries = json.loads(config(bodies, "endpoints")["stepEndpoints"])
    return [StepEndpoint.model_validate(entry) for entry in entries]


@each
def test_capacity_is_what_the_service_may_scale_to(name: str) -> None:
    bodies = RENDERED[name]
    assert len(endpoints(bodies)) == len(step_services(bodies))
    for endpoint in endpoints(bodies):
        body = service(bodies, endpoint.name)
        spec, scale = body["spec"]["template"]["spec"], body["spec"]["template"]["metadata"]["annotations"]
        slots = spec["containerConcurrency"]
        assert endpoint.capacity == slots * int(scale["autoscaling.knative.dev/max-scale"])
        assert variables(body)["REELZERO_SLOTS"] == scale["autoscaling.knative.dev/target"] == str(slots)
        assert endpoint.url == f"http://{body['metadata']['name']}.reelzero.svc.cluster.local"
        assert set(endpoint.types) == json.loads(variables(body)["REELZERO_STEPS"]).keys()


def test_the_steps_in_the_box_are_served_from_zero_without_a_value() -> None:
    body = service(RENDERED["least"], "steps")
    assert list(endpoints(RENDERED["least"])[0].types) == load_step_types().names()
    scale = body["spec"]["template"]["metadata"]["annotations"]
    python = {words[0] for words in json.loads(variables(body)["REELZERO_STEPS"]).values()}
    assert python == {"/opt/reelzero/bin/python"}, "the one of the image, or no step is forked"
    assert scale["autoscaling.knative.dev/min-scale"] == "0"
    assert scale["autoscaling.knative.dev/target-utilization-percentage"] == "100"
    assert body["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"


@each
def test_each_type_that_eventing_reads_fits_into_the_time_of_its_service(name: str) -> None:
    bodies = RENDERED[name]
    for endpoint in endpoints(bodies):
        spec = service(bodies, endpoint.name)["spec"]["template"]["spec"]
        assert spec["responseStartTimeoutSeconds"] == spec["timeoutSeconds"]
        for kind in endpoint.types:
            entry = StepType.model_validate(yaml.safe_load(config(bodies, "steps")[f"{kind}.yaml"]))
            assert entry.name == kind
            assert entry.budget.revision_timeout <= spec["timeoutSeconds"]
    deployment = eventing_of(bodies)["spec"]["template"]["spec"]
    grace = deployment["terminationGracePeriodSeconds"]
    assert all(grace > body["spec"]["template"]["spec"]["timeoutSeconds"] for body in step_services(bodies))


@each
def test_no_step_has_a_key_or_an_identity(name: str) -> None:
    for body in step_services(RENDERED[name]):
        assert not {
            word
            for word in variables(body)
            if word.startswith(("AWS_ACCESS", "AWS_SECRET", "REELZERO_S3", "REELZERO_DATABASE"))
        }
        account = body["spec"]["template"]["spec"]["serviceAccountName"]
        (own,) = [
            item for item in of(RENDERED[name], "ServiceAccount") if item["metadata"]["name"] == account
        ]
        assert "annotations" not in own["metadata"]


@each
def test_the_runner_takes_its_settings(name: str) -> None:
    for body in step_services(RENDERED[name]):
        settings = read(variables(body))
        assert settings.slots == body["spec"]["template"]["spec"]["containerConcurrency"]
        assert settings.slots * settings.output_bytes < 33 << 30
        assert {str(settings.scratch), str(settings.cache)} == {"/scratch", "/cache"}


def test_a_type_of_ones_own_has_its_image_its_gpu_and_the_runner(tmp_path: Path) -> None:
    """The folder of the ConfigMap runs with Python alone, as the container starts it."""
    body = service(ELSEWHERE, "align")
    own = container(body)
    assert own["image"] == ALIGN["run"]["image"]
    assert (
        own["resources"]["limits"]["nvidia.com/gpu"] == own["resources"]["requests"]["nvidia.com/gpu"] == "1"
    )
    assert own["resources"]["limits"]["memory"] == "6Gi"
    (volume,) = [item for item in body["spec"]["template"]["spec"]["volumes"] if item["name"] == "runner"]
    files = config(ELSEWHERE, "runner")
    for item in volume["configMap"]["items"]:
        path = tmp_path / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[item["key"]], encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "REELZERO_STEPS": "no"}
    command = [sys.executable, "-I", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert own["command"] == ["python3", "/opt/reelzero/runner"]
    assert done.stderr.startswith("REELZERO_STEPS: must be like"), done.stderr


def test_a_type_over_http_is_called_by_the_runner_in_the_box() -> None:
    body = service(ELSEWHERE, "steps")
    assert read(variables(body)).commands["lips"] == "http://lips.studio:8000"
    assert "nvidia.com/gpu" not in container(body)["resources"]["limits"], "the service has pods of its own"


def test_without_services_of_steps_nothing_of_them_is_there() -> None:
    bodies = render(model() | {"steps": []})
    assert "reelzero-steps" not in json.dumps(bodies)
    assert "REELZERO_STEP" not in json.dumps(bodies)


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an unknown type": (
        {"steps": [{"name": "a", "types": ["lips"]}]},
        ["steps[0].types[0]", '"lips"', "narrate"],
    ),
    "a type in two services": (
        {"steps": [{"name": "a", "types": ["film"]}, {"name": "b", "types": ["film"]}]},
        ["steps[1].types[0]", "steps[0] already"],
    ),
    "two services of one name": (
        {"steps": [{"name": "a", "types": ["film"]}, {"name": "a", "types": ["fit"]}]},
        ["steps[1].name", '"a" is listed twice'],
    ),
    "the name of the API": ({"steps": [{"name": "eventing"}]}, ["steps[0].name", "another name"]),
    "nothing left to run": ({"steps": [{"name": "a"}, {"name": "b"}]}, ["steps[1].types", "no step type"]),
    "a step in the box in a strange image": (
        {"steps": [{"name": "a", "image": "aligner"}]},
        ["steps[0].image", "is in the box"],
    ),
    "a type without its outputs": (
        {"stepTypes": {"lips": {"title": "Lips"}}},
        ["stepTypes.lips.outputs", "missing"],
    ),
    "a field that no type has": ({"stepTypes": {"film": {"gpu": 1}}}, ["/stepTypes/film", "gpu"]),
    "a budget past the hour": (
        {"stepTypes": {"film": {"budget": {"cold_start_seconds": 60, "generation_seconds": 3500}}}},
        ["steps[0].types", "3650 s", "3600"],
    ),
    "more at least than at most": (
        {"stepDefaults": {"minReplicas": 3}},
        ["steps[0].minReplicas", "maxReplicas, 2"],
    ),
    "a key that is no value": ({"steps": [{"name": "a", "lanes": []}]}, ["/steps/0", "lanes"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_render_stops_and_names_the_value(name: str) -> None:
    values, words = REFUSED[name]
    assert_refused(model() | values, words)
