"""Writes dashboards/*.json from source/*.yaml: run it after an edit, and commit what it wrote."""

import json
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

HERE = Path(__file__).parent
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
COLUMNS = 24
TYPES = {"lines": "timeseries", "states": "state-timeline"}
OPTIONS: dict[str, Json] = {
    "lines": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
    },
    "states": {"mergeValues": True, "showValue": "auto", "rowHeight": 0.9},
    "heatmap": {
        "calculate": False,
        "yAxis": {"axisPlacement": "left", "unit": "s"},
        "color": {"mode": "scheme", "scheme": "Spectral", "reverse": True, "steps": 64},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "tooltip": {"yHistogram": True},
        "legend": {"show": True},
    },
}
SERVICE = {
    "name": "service",
    "label": "Service",
    "type": "query",
    "datasource": PROMETHEUS,
    "query": {"query": 'label_values(up{job="chassis"}, service)', "refId": "service"},
    "refresh": 2,
    "sort": 1,
    "includeAll": False,
    "multi": False,
}
STARTS = {
    "name": "Starts",
    "datasource": PROMETHEUS,
    "enable": True,
    "iconColor": "blue",
    "expr": 'changes(process_start_time_seconds{job="chassis"}[2m]) > 0',
    "titleFormat": "{{service}} {{instance}} started",
}
LINKS = {
    "title": "Chassis",
    "type": "dashboards",
    "tags": ["chassis"],
    "includeVars": True,
    "keepTime": True,
}


def dashboard(source: Json) -> Json:
    """Return a dashboard as Grafana wants it."""
    return {
        "uid": source["uid"],
        "title": source["title"],
        "tags": ["chassis"],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": source.get("since", "now-1h"), "to": "now"},
        "templating": {"list": [SERVICE] if source.get("pick") == "service" else []},
        "annotations": {"list": [STARTS]},
        "links": [LINKS],
        "panels": list(_laid_out(source["rows"])),
    }


def _laid_out(rows: dict[str, list[Json]]) -> Iterator[Json]:
    """Set panels from left to right, in a new line when one is full."""
    numbers, y = count(1), 0
    for title, panels in rows.items():
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        yield {"id": next(numbers), "type": "row", "title": title, "gridPos": place, "panels": []}
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            width, height = panel.get("size", (8, 8))
            if x + width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield _panel(panel, next(numbers), {"x": x, "y": y, "w": width, "h": height})
            x, tallest = x + width, max(tallest, height)
        y += tallest


def _panel(panel: Json, number: int, place: Json) -> Json:
    kind = panel.get("kind", "lines")
    return {
        "id": number,
        "type": TYPES.get(kind, kind),
        "title": panel["title"],
        "description": panel.get("about", ""),
        "datasource": PROMETHEUS,
        "gridPos": place,
        "fieldConfig": {"defaults": _field(panel, kind), "overrides": []},
        "options": OPTIONS[kind],
        "targets": [_target(*query, kind) for query in enumerate(panel["queries"].items())],
    }


def _field(panel: Json, kind: str) -> Json:
    field: Json = {"unit": panel.get("unit", "none")}
    if kind == "lines":
        field["min"] = 0
    if steps := panel.get("thresholds"):
        marks = [{"color": color, "value": value} for color, value in steps.items()]
        field["thresholds"] = {"mode": "absolute", "steps": marks}
        field["custom"] = {"thresholdsStyle": {"mode": "line"}} if kind == "lines" else {}
    if values := panel.get("values"):
        words = {str(value): {"text": text, "color": c} for value, (text, c) in values.items()}
        field["mappings"] = [{"type": "value", "options": words}]
    if panel.get("link") == "service":
        url = "/d/chassis-service?var-service=${__field.labels.service}"
        field["links"] = [{"title": "This service", "url": url}]
    return field


def _target(index: int, query: tuple[str, str], kind: str) -> Json:
    legend, expression = query
    return {
        "refId": chr(ord("A") + index),
        "datasource": PROMETHEUS,
        "expr": " ".join(expression.split()),
        "legendFormat": legend,
        "format": "heatmap" if kind == "heatmap" else "time_series",
        "instant": kind == "stat",
        "range": kind != "stat",
        "exemplar": kind in {"lines", "heatmap"} and "_bucket" in expression,
    }


def main(folder: Path) -> None:
    """Write every dashboard into `folder`."""
    for source in sorted(HERE.glob("source/*.yaml")):
        text = json.dumps(dashboard(yaml.safe_load(source.read_text())), indent=1)
        (folder / f"{source.stem}.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else HERE / "dashboards")
