"""Alerts fire, and every query of dashboard and alerts has data, on a real scrape of real services."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from config.render import CHART
from eventing.contract.storage.s3 import Bucket, S3Location
from tests.observability.prometheus import tool
from tests.observability.scene import FULL, MODEL, Scene, scene
from tests.observability.test_alerts import ALERTS
from tests.support import disks

pytestmark = pytest.mark.asyncio(loop_scope="session")
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))
VALUES = {"$namespace": ".*", "$model": ".*", "$price": "2.5", "$__rate_interval": "1m", "$__range": "1h"}
WITH_A_CARD = ("reelzero_gpu_memory_", "reelzero_gpu_utilization_")  # NVML has no numbers without one
QUERIES = [
    (panel["title"], target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
    if not any(name in target["expr"] for name in WITH_A_CARD)
]
LONG = {"namespace": "video", "model": MODEL, "lane": "long"}
SITUATIONS: dict[str, dict[str, str]] = {
    "ReelzeroOldestJobLate": LONG,
    "ReelzeroJobsFailing": {"namespace": "video", "model": "tiny"},
    "ReelzeroDeadLetters": {"namespace": "video"},
    "ReelzeroDeliveriesDead": {"namespace": "video", "destination": "webhook"},
    "ReelzeroModelPaused": LONG,
    "ReelzeroStartsFailing": LONG,
    "ReelzeroScratchFilling": {"pod": "reelzero-predictor-0", "volume": "scratch"},
    "ReelzeroVolumeFilling": {"pod": "reelzero-predictor-0", "volume": "weights"},
    "ReelzeroGpusIdleWhileJobsWait": {"namespace": "video", "model": MODEL},
    "ReelzeroGpusAwakeWithoutJobs": {"namespace": "video", "model": MODEL},
    "ReelzeroCertificateLapsing": {"namespace": "video", "purpose": "sink_ca"},
    "ReelzeroTokenLapsing": {"pod": "reelzero-eventing-0", "purpose": "sink"},
    "ReelzeroTargetDown": {"job": "video/reelzero-predictor"},
    "ReelzeroDatabaseAway": {"pod": "reelzero-eventing-0"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def played(
    tmp_path_factory: pytest.TempPathFactory, bucket: Bucket, s3: S3Location
) -> AsyncIterator[Scene]:
    """The scene, once for all tests of this file."""
    tool("prometheus")
    storage = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    storage |= {"REELZERO_S3_ENDPOINT": s3.endpoint or "", "REELZERO_S3_BUCKET": s3.bucket}
    async with scene(tmp_path_factory.mktemp("scene"), bucket, storage) as seen:
        yield seen


async def test_every_alert_has_its_situation() -> None:
    assert SITUATIONS.keys() == ALERTS.keys()


@pytest.mark.parametrize("name", SITUATIONS)
async def test_an_alert_is_true_in_its_situation_and_says_so_in_words(played: Scene, name: str) -> None:
    if name in FULL and (word := disks.missing()):
        pytest.skip(word)
    own = [
        alert for alert in played.alerts.get(name, []) if SITUATIONS[name].items() <= alert["labels"].items()
    ]
    assert own, f"{name}: {played.alerts.get(name)}"
    for text in own[0]["annotations"].values():
        assert "{{" not in text and "<no value>" not in text and "error" not in text
    for label in ("model", "destination", "purpose"):
        assert SITUATIONS[name].get(label, "") in own[0]["annotations"]["summary"]


def asked(expression: str) -> str:
    """A query as Grafana sends it."""
    for name, value in VALUES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize(("title", "expression"), QUERIES)
async def test_a_query_of_the_dashboard_has_data(played: Scene, title: str, expression: str) -> None:
    history = await played.history(asked(expression))
    assert [value for series in history for _, value in series.points if math.isfinite(value)], title


async def test_legends_name_labels_that_the_series_have(played: Scene) -> None:
    missing = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            wanted = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            history = await played.history(asked(target["expr"]))
            missing += [(panel["title"], wanted) for each in history if not wanted <= each.labels.keys()]
    assert not missing


async def test_the_variables_of_the_dashboard_have_values(played: Scene) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if match := re.fullmatch(r"label_values\((\w+), (\w+)\)", str(variable.get("definition"))):
            history = await played.history(match[1])
            assert {each.labels.get(match[2]) for each in history} - {None}, variable["name"]


async def test_every_expression_of_an_alert_reads_series_that_exist(played: Scene) -> None:
    """Also where the alert is quiet: a metric with a wrong name would keep it quiet for ever."""
    names = {
        name for rule in ALERTS.values() for name in re.findall(r"\b(?:reelzero|process)_\w+", rule["expr"])
    }
    absent = [name for name in sorted(names) if not await played.history(name)]
    assert absent == []
