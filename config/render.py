"""Render what is committed under config/ and charts/reelzero/files from its one source, the chart.

    python config/render.py          write
    python config/render.py --check  fail if a committed file differs from what would be written

`config/base` is the chart without models. Each overlay adds what its values file adds: objects of its own,
and patches of the base's. A test proves that base plus overlay equals the chart rendered with those values.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import helm_python
import yaml

from eventing.catalog import HERE as CATALOG
from eventing.catalog import load_catalog

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "reelzero"
NAMESPACE = "reelzero"
BASE_VALUES = {"database": {"secretName": "reelzero-database"}, "s3": {"secretName": "reelzero-s3"}}
OVERLAYS = {"cpu-trial": "cpu-trial.yaml", "gpu": "gpu-cogvideox.yaml"}
HELM_LABELS = {"app.kubernetes.io/managed-by", "helm.sh/chart"}  # untrue when Helm did not install it
Object = dict[str, Any]


def render(values: Object, namespace: str = NAMESPACE, name: str = "reelzero") -> list[Object]:
    """The chart's objects, tests included, through Helm's own engine."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name=name, namespace=namespace)
    texts = (text for path, text in sorted(files.items()) if path.endswith(".yaml"))
    return [body for text in texts for body in yaml.safe_load_all(text) if body]


def plain(values: Object) -> list[Object]:
    """The chart's objects as they are without Helm: no hooks, none of its labels, each with its namespace."""
    return [_without_helm(body) for body in render(values) if not _is_hook(body)]


def example(name: str) -> Object:
    """The values of charts/reelzero/examples/NAME."""
    values: Object = yaml.safe_load((CHART / "examples" / name).read_text(encoding="utf-8"))
    return values


def key(body: Object) -> tuple[str, str]:
    """What identifies an object within the namespace."""
    return body["kind"], body["metadata"]["name"]


def outputs() -> dict[Path, str]:
    """Every generated file and its text."""
    config = ROOT / "config"
    base = plain(BASE_VALUES)
    files = {
        CHART / "files" / "catalog.yaml": _text("the service's own catalog", [_catalog()]),
        config / "base" / "reelzero.yaml": _text("the chart without models", base),
    }
    for overlay, values in OVERLAYS.items():
        added, changed = _difference(base, plain(example(values)))
        folder, source = config / "overlays" / overlay, f"charts/reelzero/examples/{values}"
        files[folder / "models.yaml"] = _text(f"what {source} adds to the base", added)
        files[folder / "changes.yaml"] = _text(f"what {source} changes in the base", changed)
    return files


def _difference(base: list[Object], full: list[Object]) -> tuple[list[Object], list[Object]]:
    known = {key(body): body for body in base}
    missing = known.keys() - {key(body) for body in full}
    if missing:
        raise SystemExit(f"an overlay cannot take away {sorted(missing)}")
    added = [body for body in full if key(body) not in known]
    changed = [_patch_of(known[key(body)], body) for body in full if known.get(key(body), body) != body]
    return added, changed


def _patch_of(old: Object, new: Object) -> Object:
    names = {part: new["metadata"][part] for part in ("name", "namespace")}
    head = {"apiVersion": new["apiVersion"], "kind": new["kind"], "metadata": names}
    change: Object = _change(old, new)
    return head | change | {"metadata": names | change.get("metadata", {})}


def _change(old: Any, new: Any) -> Any:
    """A strategic merge patch from old to new: keys that differ, and list items by their names."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = dict.fromkeys(old.keys() - new.keys())
        return {name: _change(old.get(name), new[name]) for name in new if old.get(name) != new[name]} | gone
    if _named(old) and _named(new):
        known = {item["name"]: item for item in old}
        items = [(known.get(item["name"], {}), item) for item in new]
        return [{"name": item["name"]} | _change(was, item) for was, item in items if was != item]
    return new


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value)


def _catalog() -> Object:
    names = load_catalog().names()
    return {name: _entry(name) for name in names}


def _entry(name: str) -> Object:
    entry: Object = yaml.safe_load((CATALOG / f"{name}.yaml").read_text(encoding="utf-8"))
    return {field: value for field, value in entry.items() if field != "name"}


def _is_hook(body: Object) -> bool:
    return "helm.sh/hook" in body["metadata"].get("annotations", {})


def _without_helm(body: Object) -> Object:
    body["metadata"]["namespace"] = NAMESPACE
    for part in (body, body.get("spec", {}).get("template", {})):
        labels = part.get("metadata", {}).get("labels", {})
        for label in HELM_LABELS & labels.keys():
            del labels[label]
    return body


def _text(what: str, bodies: list[Object]) -> str:
    head = f"# Generated by config/render.py: {what}. Do not edit.\n"
    return head + yaml.safe_dump_all(bodies, sort_keys=False, width=110, allow_unicode=True)


def main(check: bool) -> int:
    """Write or compare; 1 if something differs."""
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(("stale: " if check else "written: ") + str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(outputs()[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
