"""Packages whose code is put off: modules can be imported without it, and nothing is missing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from predictor import later


def test_a_package_runs_its_code_when_a_name_of_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "heavy_parts"
    package.mkdir()
    (package / "__init__.py").write_text("from heavy_parts import light\nCLIENT = light.NAME\n")
    (package / "light.py").write_text("NAME = 'light'\n")
    (package / "other.py").write_text("NAME = 'other'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(later, "PACKAGES", frozenset({"heavy_parts"}))
    monkeypatch.setitem(later.MARKS, ("heavy_parts", "CLIENT"), "only for kserve")
    monkeypatch.setitem(later.READERS, "heavy_parts", "kserve")
    try:
        assert import_module("heavy_parts.light").NAME == "light"
        heavy = sys.modules["heavy_parts"]
        assert "CLIENT" not in vars(heavy), "its code has not run"
        assert heavy.other.NAME == "other" and "CLIENT" not in vars(heavy)
        assert heavy.CLIENT == "light" and heavy.light.NAME == "light"
        assert not hasattr(heavy, "missing")
    finally:
        for name in [name for name in sys.modules if name.startswith("heavy_parts")]:
            del sys.modules[name]


def test_modules_run_once_and_in_the_order_of_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "ordered"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("RUNS = ['ordered']\nfrom ordered.inner import layer\n")
    (package / "inner" / "__init__.py").write_text("from ordered import RUNS\nRUNS.append('inner')\n")
    (package / "inner" / "layer.py").write_text(
        "from ordered import RUNS\nRUNS.append('layer')\nclass Layer: ...\n"
    )
    (package / "inner" / "other.py").write_text("from ordered import RUNS\nRUNS.append('other')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(later, "PACKAGES", frozenset({"ordered", "ordered.inner", "ordered.inner.layer"}))
    monkeypatch.setitem(later.WHOLE, "ordered", frozenset({"inner"}))
    monkeypatch.setitem(later.WHOLE, "ordered.inner", frozenset({"layer"}))
    mark = later.Adapters("Layer", (), {"__module__": "ordered.inner.layer"})
    monkeypatch.setitem(later.MARKS, ("ordered.inner.layer", "Layer"), mark)
    monkeypatch.setitem(later.READERS, "ordered.inner.layer", "diffusers")
    try:
        layer = import_module("ordered.inner.layer")
        assert "RUNS" not in vars(sys.modules["ordered"]), "nothing has run"
        assert not isinstance(object(), mark)
        other = import_module("ordered.inner.other")
        assert sys.modules["ordered"].RUNS == ["ordered", "inner", "other"] and other.__spec__
        assert isinstance(layer.Layer(), mark), "it asks the class itself"
        assert sys.modules["ordered"].RUNS == ["ordered", "inner", "other", "layer"]
    finally:
        for name in [name for name in sys.modules if name.startswith("ordered")]:
            del sys.modules[name]


def test_kserve_has_all_its_names() -> None:
    from kserve import KServeClient, ModelServer
    from kserve.model_server import ModelServer as Own

    assert ModelServer is Own and KServeClient.__name__ == "KServeClient"


PANDAS = """
import predictor, sys
from kserve.protocol.infer_type import InferInput, InferRequest
assert "pandas.core" not in sys.modules, "no job needs it"
value = InferInput("a", [2], "INT64", data=[1, 2])
table = InferRequest("tiny", [value]).as_dataframe()
from pandas import DataFrame, __version__
import pandas
assert type(table) is DataFrame is pandas.DataFrame and list(table["a"]) == [1, 2] and __version__
"""


def test_pandas_runs_when_a_table_is_made() -> None:
    subprocess.run([sys.executable, "-c", PANDAS], check=True)
