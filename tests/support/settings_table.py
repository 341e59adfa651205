"""Rewrite the tables in docs/settings.md from the settings classes.

Call it as `python -m tests.support.settings_table`.
"""

from __future__ import annotations

from pathlib import Path

from eventing.contract.env import S3Settings, describe
from eventing.settings import Settings
from predictor.settings import PredictorSettings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
SHARED = {variable for variable, _, _ in describe([S3Settings])}


def table(kind: type[S3Settings], *, shared: bool = False) -> str:
    """Markdown rows of one process's own settings, or of those that both read."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for variable, default, meaning in describe([kind]):
        if (variable in SHARED) is shared:
            value = f"`{default}`" if default else ""
            lines.append(f"| `{variable}` | {value} | {meaning} |".replace("…", "…"))
    return "\n".join(lines)


def filled(text: str) -> str:
    """Return the page with every marked table generated again."""
    tables = {
        "shared": table(S3Settings, shared=True),
        "eventing": table(Settings),
        "predictor": table(PredictorSettings),
    }
    for name, rows in tables.items():
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        after = rest[rest.index("\n<!-- end -->") :]
        text = f"{before}<!-- {name} -->\n{rows}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
