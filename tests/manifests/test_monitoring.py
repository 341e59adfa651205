"""Alerts and dashboard in the chart: what a cluster gets are the plain files, word for word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from config.render import CHART, render
from eventing.doctor.objects.manifests import Manifest, Manifests
from eventing.doctor.registry import examine
from tests.manifests.live_view import live
from tests.manifests.value_sets import EXAMPLES, with_values

FILES = CHART / "files"
BODIES = render(EXAMPLES["kube-prometheus-stack"], namespace="video")


def of(kind: str, name: str) -> Any:
    (body,) = [body for body in BODIES if body["kind"] == kind and body["metadata"]["name"] == name]
    return body


def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def test_the_rules_of_a_cluster_are_the_plain_file() -> None:
    assert of("PrometheusRule", "reelzero")["spec"] == yaml.safe_load(text(FILES / "alerts.yaml"))


def test_the_dashboard_of_a_cluster_is_the_plain_file() -> None:
    data = of("ConfigMap", "reelzero-dashboard")["data"]
    assert json.loads(data["reelzero.json"]) == json.loads(text(FILES / "dashboard.json"))


def test_both_are_off_by_default() -> None:
    assert not [body for body in render(with_values()) if body["kind"] == "PrometheusRule"]
    assert not [body for body in render(with_values()) if body["metadata"]["name"].endswith("-dashboard")]


def test_the_doctor_names_alerts_that_a_cluster_without_the_operator_has_not() -> None:
    values = EXAMPLES["kube-prometheus-stack"]
    objects = [body for body in live(values) if not body["apiVersion"].startswith("monitoring.coreos.com/")]
    (finding,) = examine(Manifests(tuple(map(Manifest, objects))))
    assert (finding.rule, finding.where) == ("alerts-absent", "Deployment video/reelzero-eventing")
    assert "no PrometheusRule reelzero" in finding.what
    assert "monitoring.coreos.com" in finding.consequence


def test_the_doctor_does_not_miss_them_in_a_part_of_a_release() -> None:
    parts = [
        body for body in live(EXAMPLES["kube-prometheus-stack"]) if body["kind"] in ("Deployment", "Broker")
    ]
    assert examine(Manifests(tuple(map(Manifest, parts)))) == []
