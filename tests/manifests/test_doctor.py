"""The doctor finds every planted mistake, by name and alone, and nothing in what we make ourselves."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from config.render import ROOT, render
from eventing.cli import app
from eventing.contract.catalog import load_catalog
from eventing.doctor.objects.manifests import Manifest, Manifests, parse, seconds
from eventing.doctor.registry import examine
from eventing.doctor.registry import rules as rules_by_id
from tests.manifests.planting import mistakes
from tests.manifests.test_config import kustomize
from tests.manifests.value_sets import EXAMPLES, VALUE_SETS

MISTAKES = sorted((Path(__file__).parent / "mistakes").glob("*.yaml"))
run = CliRunner().invoke


@pytest.fixture(scope="module")
def platform() -> list[tuple[str, str]]:
    """What an admin applies, and the activator as it is then."""
    patch = yaml.safe_load((ROOT / "config/platform/activator-grace.yaml").read_text(encoding="utf-8"))
    activator = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "activator"}} | patch
    return [("platform", yaml.safe_dump_all([*kustomize("platform"), activator]))]


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_a_planted_mistake_is_found_alone(path: Path) -> None:
    findings = examine(parse([(path.name, path.read_text(encoding="utf-8"))]))
    assert {finding.rule for finding in findings} == {path.stem}
    for finding in findings:
        assert finding.consequence
        assert finding.remedy


def test_every_rule_has_its_planted_mistake() -> None:
    """In a file of its own, or in the tables of changes to the chart's output (planting.py)."""
    assert {path.stem for path in MISTAKES} | {entry.rule for entry in mistakes()} == rules_by_id().keys()


def test_the_rules_are_listed_with_effect_and_mend() -> None:
    result = run(app, ["doctor", "rules"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    for rule in rules_by_id().values():
        start = lines.index(f"{rule.id} ({rule.severity}): {rule.in_general().what}")
        assert lines[start + 1] == f"  leads to: {rule.in_general().leads_to}"
        assert lines[start + 2] == f"  mend it:  {rule.in_general().mend}"
    assert "{" not in result.output


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_found_in_our_own_render(name: str, platform: list[tuple[str, str]]) -> None:
    """As text; test_planted.py has the objects of all value sets."""
    text = yaml.safe_dump_all(render(VALUE_SETS[name]))
    assert examine(parse([*platform, (name, text)])) == []


def test_the_platform_is_needed() -> None:
    """The same render on a cluster as Knative installs it: refused revisions, found before."""
    stock = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {}}
             for name in ("config-defaults", "config-autoscaler", "config-features")]  # fmt: skip
    text = yaml.safe_dump_all([*stock, *render(VALUE_SETS["extreme"])])
    assert {finding.rule for finding in examine(parse([("x", text)]))} == {
        "timeout-above-maximum", "initial-scale-zero", "feature-off",
    }  # fmt: skip


def test_a_live_list_is_read_like_a_file() -> None:
    bodies = list(yaml.safe_load_all((MISTAKES[0]).read_text(encoding="utf-8")))
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": bodies})
    assert {finding.rule for finding in examine(parse([("live", text)]))} == {MISTAKES[0].stem}


def test_services_that_kserve_made_are_seen_once() -> None:
    owner = {"kind": "InferenceService", "name": "x", "apiVersion": "serving.kserve.io/v1beta1", "uid": "1"}
    service = {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": "x-predictor", "ownerReferences": [owner]}, "spec": {"template": {"spec": {}}},
    }  # fmt: skip
    assert examine(parse([("x", yaml.safe_dump(service))])) == []


def mistake(name: str) -> list[Any]:
    path = Path(__file__).parent / "mistakes" / f"{name}.yaml"
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def rules(*bodies: Any) -> list[str]:
    return [finding.rule for finding in examine(parse([("x", yaml.safe_dump_all(bodies))]))]


@pytest.mark.parametrize("first", [True, False])
def test_knative_eventing_has_configmaps_of_the_same_names(first: bool) -> None:
    workload, config = mistake("feature-off")
    theirs = copy.deepcopy(config)
    theirs["metadata"]["namespace"] = "knative-eventing"
    theirs["data"] = {"kubernetes.podspec-nodeselector": "enabled"}
    assert rules(*([theirs, workload, config] if first else [workload, config, theirs])) == ["feature-off"]
    assert rules(workload, theirs) == []


def test_two_namespaces_may_use_one_name() -> None:
    """What looks like a wrong capacity is right for the predictor that the address means."""
    workload, eventing = mistake("capacity-mismatch")
    right = copy.deepcopy(workload)
    workload["metadata"]["namespace"] = "other"
    right["spec"]["predictor"]["maxReplicas"] = 8
    assert rules(workload, right, eventing) == rules(right, workload, eventing) == []


def test_a_budget_comes_from_the_catalog_of_the_same_namespace() -> None:
    (workload,) = mistake("timeout-below-budget")
    entry = {"cogvideox-2b.yaml": yaml.safe_dump(load_catalog().get("cogvideox-2b").model_dump(mode="json"))}
    short = {"cogvideox-2b.yaml": entry["cogvideox-2b.yaml"].replace("_seconds: 300", "_seconds: 10")}
    configs = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": name}, "data": data}
        for name, data in (("other", short), ("video", entry))
    ]
    assert rules(workload, *configs) == ["timeout-below-budget"]
    assert rules(workload, *({**body, "metadata": {"name": "c"}} for body in configs[:1])) == []


def test_a_service_account_elsewhere_takes_no_token_away() -> None:
    (workload,) = mistake("token-mounted")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": False}
    workload["spec"]["template"]["spec"]["serviceAccountName"] = "p"
    elsewhere, here = (account | {"metadata": {"name": "p", "namespace": n}} for n in ("other", "video"))
    assert rules(workload, elsewhere) == ["token-mounted"]
    assert rules(workload, here) == []


@pytest.mark.parametrize(
    ("name", "seconds", "found"),
    [
        ("REELZERO_HEARTBEAT_TIMEOUT_SECONDS", "29", ["heartbeat-too-slow"]),
        ("REELZERO_HEARTBEAT_TIMEOUT_SECONDS", "30", []),
        ("REELZERO_DRAIN_SECONDS", "719", ["drain-by-hand"]),
        ("REELZERO_DRAIN_SECONDS", "720", []),
        ("REELZERO_DRAIN_SECONDS", "751", ["drain-by-hand"]),
    ],
)
def test_settings_of_eventing_are_held_against_the_budgets(name: str, seconds: str, found: list[str]) -> None:
    """300 s each for start and generation: a client time-out of 720 s, and a pod with 750 s."""
    workload, eventing = mistake("drain-by-hand")
    variables = eventing["spec"]["template"]["spec"]["containers"][0]["env"]
    variables[:] = [env for env in variables if env["name"] != "REELZERO_DRAIN_SECONDS"]
    variables.append({"name": name, "value": seconds})
    assert rules(workload, eventing) == found


def with_a_runtime(**predictor: Any) -> Any:
    """An InferenceService whose container comes from a ServingRuntime, which is not at hand."""
    (workload,) = mistake("liveness-on-readiness")
    (container,) = workload["spec"]["predictor"].pop("containers")
    model = {"modelFormat": {"name": "video"}, "env": container["env"], "resources": container["resources"]}
    workload["spec"]["predictor"] |= {"model": model} | predictor
    return workload


def test_a_predictor_of_a_runtime_is_held_against_time_and_scale() -> None:
    """Its probes and privileges are the runtime's and cannot be seen; these can."""
    assert rules(with_a_runtime()) == []
    assert rules(with_a_runtime(timeout=60)) == ["timeout-below-budget"]
    assert rules(with_a_runtime(timeout=None)) == ["timeout-missing"]
    assert rules(with_a_runtime(containerConcurrency=4)) == ["concurrency-not-one"]
    assert rules(with_a_runtime(maxReplicas=0)) == ["replicas-unlimited"]
    assert rules(with_a_runtime(scaleMetric="rps")) == ["metric-not-concurrency"]


def test_the_command_says_what_and_how_and_exits_1() -> None:
    result = run(app, ["doctor", "--manifests", str(MISTAKES[0])])
    assert result.exit_code == 1
    assert MISTAKES[0].stem in result.output
    assert "leads to:" in result.output
    assert "mend it:" in result.output


def test_the_command_takes_many_files_and_standard_input() -> None:
    files = [str(path) for path in MISTAKES]
    assert run(app, ["doctor", "--manifests", *files]).exit_code == 1
    good = yaml.safe_dump_all(render(VALUE_SETS["cpu-trial"]))
    result = run(app, ["doctor", "--manifests", "-"], input=good)
    assert result.exit_code == 0
    assert "0 findings" in result.output
    assert "not checked" in result.output


@pytest.mark.parametrize("text", ["{", "- 1", "a: b", "\ttab"], ids=["cut", "list", "no kind", "tab"])
def test_what_is_no_manifest_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    result = run(app, ["doctor", "--manifests", str(path)])
    assert result.exit_code == 2
    assert "broken.yaml" in result.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("600s", 600),
        ("10m", 600),
        ("1h30m", 5400),
        ("0s", 0),
        ("1.5s", 1.5),
        ("600", None),
        ("", None),
        ("10 min", None),
        ("1.2.3s", None),
        (".s", None),
        ("²s", None),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside an object."""
    steps = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from places(inner, (*path, step))


def test_no_shape_of_a_manifest_breaks_the_doctor(platform: list[tuple[str, str]]) -> None:
    """Every value of every manifest here, replaced by three that a person may write there by mistake."""
    wrong = itertools.cycle((None, "x", 7, [], {}, ["x"], [None], {"x": None}, True))
    texts = [text for _, text in platform] + [path.read_text(encoding="utf-8") for path in MISTAKES]
    tried = 0
    known = set()  # the files have much in common
    for bodies in (list(yaml.safe_load_all(text)) for text in texts):
        for path in list(places(bodies)):
            changed = copy.deepcopy(bodies)
            inside = changed
            for step in path[:-1]:
                inside = inside[step]
            place = (bodies[path[0]]["kind"], path[1:], repr(inside[path[-1]]))
            for value in () if place in known else itertools.islice(wrong, 3):
                inside[path[-1]] = value
                kept = tuple(Manifest(body) for body in changed if isinstance(body, dict))
                examine(Manifests(kept))
                tried += 1
            known.add(place)
    assert tried > 1000
