"""Examples in Markdown pages: fenced blocks of one language, in order, as one script."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS = re.compile(r"^# needs: (\w+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """All blocks of a language."""
    return [code for kind, code in BLOCK.findall(page.read_text()) if kind == language]


def shell_script(page: Path) -> str:
    """The page's shell, stopping at the first command that fails; empty if it has none."""
    code = "\n".join(blocks(page, "bash"))
    return f"set -euo pipefail\n{code}" if code else ""


def needs(code: str) -> str | None:
    """The client environment a block asks for by a first line `# needs: NAME`."""
    found = NEEDS.match(code)
    return found[1] if found else None
