"""The chart as a package: what is in it, what its card says, and what helm finds in it."""

from __future__ import annotations

import tarfile
from pathlib import Path
from xml.etree import ElementTree

import helm_python
import pytest
import yaml

from config.render import CHART, ROOT, render
from tests.manifests.test_policy import containers
from tests.manifests.value_sets import EXAMPLES, with_values

CARD = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
OURS = "https://github.com/reelzero/reelzero/blob/main/"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with helm_python.Chart.load(CHART) as chart:
        return Path(chart.save(tmp_path_factory.mktemp("package")))


def test_a_package_holds_the_chart_without_its_examples(package: Path) -> None:
    with tarfile.open(package) as archive:
        names = archive.getnames()
    assert "reelzero/values.schema.json" in names
    assert "reelzero/files/catalog.yaml" in names
    assert not [name for name in names if "example" in name]


def test_a_package_renders_what_the_folder_renders(package: Path) -> None:
    with helm_python.Chart.load(package) as packed, helm_python.Chart.load(CHART) as folder:
        values = EXAMPLES["gpu-cogvideox"]
        assert packed.render(values, name="a", namespace="b") == folder.render(
            values, name="a", namespace="b"
        )


def test_helm_misses_nothing_in_the_card() -> None:
    report = helm_python.lint(CHART, with_values(), strict=True)
    assert [message for message in report["messages"] if message["severity"] > 0] == []


def test_the_icon_is_a_drawing_of_this_repository() -> None:
    path = ROOT / CARD["icon"].removeprefix("https://raw.githubusercontent.com/reelzero/reelzero/main/")
    assert ElementTree.fromstring(path.read_text(encoding="utf-8")).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_card_names_the_images_that_the_chart_installs() -> None:
    named = {item["image"] for item in yaml.safe_load(CARD["annotations"]["artifacthub.io/images"])}
    installed = {container["image"] for container in containers(render(EXAMPLES["gpu-cogvideox"]))}
    assert named == installed


def test_links_of_the_card_lead_somewhere() -> None:
    links = yaml.safe_load(CARD["annotations"]["artifacthub.io/links"])
    for link in links:
        if link["url"].startswith(OURS):
            assert (ROOT / link["url"].removeprefix(OURS)).exists(), link
    assert CARD["home"] in CARD["sources"]
    assert CARD["maintainers"]
