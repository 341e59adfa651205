"""Build steps of the site that the plain files do not need. mkdocs calls the functions by their names.

Nothing of the built site may load from another host. Links that leave docs/ lead to the repository. A diagram
in Mermaid, which GitHub draws by itself, becomes the SVG beside it, since the browser would load Mermaid from
another host. Stars in the navigation become pages.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

REPOSITORY = "https://github.com/reelzero/reelzero/blob/main/"
LINK = re.compile(r"(\]\()((?:\.\./)+[^)\s#]+)")
LOADS = re.compile(r"<(?:link|script|img|source|iframe)\b[^>]*?(?:href|src)=[\"']?((?:https?:)?//[^\"' >]+)")
DIAGRAM = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
Nav = list[Any]


def on_config(config: Any) -> Any:
    """Put the pages of a folder in the place of its star, and leave out pages that are not there."""
    docs = Path(config.docs_dir)
    named = {name for name in _names(config.nav) if not name.endswith("*")}
    config.nav = _expanded(config.nav, docs, named)
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Change the links and the diagrams of a page."""
    folder = posixpath.dirname(page.file.src_uri)
    back = "../" * page.file.src_uri.count("/")
    picture = f"![Diagram]({back}images/{Path(page.file.src_uri).stem}.svg)"
    return DIAGRAM.sub(picture, LINK.sub(lambda match: match[1] + _address(folder, match[2]), markdown))


def on_post_build(config: Any) -> None:
    """Fail if a page of the site loads something from another host."""
    for page in Path(config.site_dir).rglob("*.html"):
        for address in LOADS.findall(page.read_text(encoding="utf-8")):
            raise ValueError(f"{page} loads {address} from another host")


def _address(folder: str, target: str) -> str:
    path = posixpath.normpath(posixpath.join("docs", folder, target))
    return target if path.startswith("docs/") else REPOSITORY + path


def _names(nav: Nav) -> list[str]:
    names = []
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        names += _names(value) if isinstance(value, list) else [value]
    return names


def _expanded(nav: Nav, docs: Path, named: set[str]) -> Nav:
    entries: Nav = []
    for entry in nav:
        if isinstance(entry, dict):
            entries += [{title: _expanded(value, docs, named)} for title, value in entry.items()]
        elif entry.endswith("*"):
            pages = sorted(page.relative_to(docs).as_posix() for page in docs.glob(f"{entry}.md"))
            entries += [page for page in pages if page not in named]
        elif (docs / entry).exists():
            entries.append(entry)
    return entries
