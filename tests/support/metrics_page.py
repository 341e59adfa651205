"""Rewrite the tables in docs/metrics.md from the declarations of the metrics.

Call it as `python -m tests.support.metrics_page`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import eventing.metrics
import predictor.metrics
from eventing.contract.metrics.declare import CATALOGUE, Declaration, Service

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ALSO = ("eventing.contract.metrics.calls", "eventing.contract.metrics.machine", "predictor.serving.metrics")


def declarations() -> list[Declaration]:
    """Every metric of both services, by name."""
    for package in (eventing.metrics, predictor.metrics):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    for name in ALSO:
        import_module(name)
    return [CATALOGUE[name] for name in sorted(CATALOGUE)]


def table(service: Service) -> str:
    """Markdown rows of the metrics of one service, or of those that both have."""
    lines = ["| metric | type | labels | replicas | meaning |", "|---|---|---|---|---|"]
    for one in declarations():
        if one.service is service:
            labels = ", ".join(f"`{label}`" for label in one.labels)
            lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.reading} | {one.help} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """Return the page with every marked table made again."""
    for service in Service:
        before, rest = text.split(f"<!-- {service} -->\n", 1)
        after = rest[rest.index("\n<!-- end -->") :]
        text = f"{before}<!-- {service} -->\n{table(service)}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
