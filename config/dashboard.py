"""Make the Grafana dashboard of charts/reelzero/files/dashboard.json from the panels of panels.py."""

from __future__ import annotations

import json
from typing import Any

from config.panels import ROWS, Panel

Object = dict[str, Any]
SOURCE: Object = {"type": "prometheus", "uid": "${datasource}"}
ACROSS, WIDTH, HEIGHT = 3, 8, 8  # panels in a line; Grafana's grid has 24 columns
FIELDS: dict[str, Object] = {
    "lines": {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 8, "showPoints": "never"},
    "bars": {"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal"}, "showPoints": "never"},
    "stat": {},
}


def dashboard() -> str:
    """Return the dashboard as JSON."""
    body = {
        "uid": "reelzero",
        "title": "reelzero",
        "description": "Service, models, deliveries and cost. What each row says: docs/monitoring.md.",
        "tags": ["reelzero"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables()},
        "links": [_link()],
        "panels": _panels(),
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def _variables() -> list[Object]:
    datasource = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    price = {"name": "price", "label": "Price of a GPU-hour", "type": "textbox", "query": "2.5"}
    current = {"current": {"text": "2.5", "value": "2.5"}, "options": []}
    return [
        datasource,
        _labels("namespace", "label_values(reelzero_build_info, namespace)"),
        _labels("model", "label_values(reelzero_jobs, model)"),
        price | current,
    ]


def _labels(name: str, query: str) -> Object:
    """Return a variable with all values of a label; everything is chosen, also series without the label."""
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # when the time range changes
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _link() -> Object:
    url = "https://github.com/reelzero/reelzero/blob/main/docs/runbooks/README.md"
    return {"title": "Runbooks", "type": "link", "url": url, "targetBlank": True, "icon": "doc"}


def _panels() -> list[Object]:
    bodies: list[Object] = []
    top = 0
    for title, panels in ROWS.items():
        grid = {"x": 0, "y": top, "w": 24, "h": 1}
        bodies.append(
            {"id": len(bodies) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": grid}
        )
        for place, panel in enumerate(panels):
            line, column = divmod(place, ACROSS)
            grid = {"x": column * WIDTH, "y": top + 1 + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            bodies.append(_panel(panel) | {"id": len(bodies) + 1, "gridPos": grid})
        top += 1 + HEIGHT * -(-len(panels) // ACROSS)
    return bodies


def _panel(panel: Panel) -> Object:
    return {
        "type": "stat" if panel.kind == "stat" else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": FIELDS[panel.kind]},
            "overrides": [],
        },
        "options": _options(panel),
        "targets": [_target(*query, chr(ord("A") + i)) for i, query in enumerate(panel.queries)],
    }


def _options(panel: Panel) -> Object:
    if panel.kind == "stat":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"]},
            "textMode": "value_and_name",
            "graphMode": "none",
        }
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _target(expression: str, legend: str, name: str) -> Object:
    return {
        "refId": name,
        "datasource": SOURCE,
        "expr": expression,
        "legendFormat": legend,
        "editorMode": "code",
        "range": True,
    }
