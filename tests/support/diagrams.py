"""Draw the diagrams of the documents as SVG, for the site; GitHub draws Mermaid by itself.

`npm install mermaid@11`, then `python -m tests.support.diagrams node_modules/mermaid/dist/mermaid.min.js`. It
needs the system's chromium. Each picture holds the SHA-256 of its source, so a test sees which must be drawn
again.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
DRAW = """async (source) => {
    const flowchart = { htmlLabels: false };
    mermaid.initialize({ startOnLoad: false, theme: 'neutral', htmlLabels: false, flowchart });
    return (await mermaid.render('diagram', source)).svg;
}"""


def sources() -> dict[Path, str]:
    """The source of each diagram, by the path of its picture. A page has one diagram at most."""
    pages = {page: SOURCE.findall(page.read_text(encoding="utf-8")) for page in sorted(DOCS.rglob("*.md"))}
    assert all(len(texts) <= 1 for texts in pages.values()), "a page has one diagram at most"
    return {DOCS / "images" / f"{page.stem}.svg": found[0] for page, found in pages.items() if found}


def mark(source: str) -> str:
    """The comment that ties a picture to its source."""
    return f"<!-- source {hashlib.sha256(source.encode()).hexdigest()} -->"


def main() -> None:
    """Draw every diagram whose source has changed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page()
        page.set_content("<html><body></body></html>")
        page.add_script_tag(path=sys.argv[1])
        for target, source in sources().items():
            drawing = page.evaluate(DRAW, source)
            ground = 'style="background-color: white; '  # readable in the dark scheme too
            drawing = drawing.replace('style="', ground, 1)
            target.write_text(f"{drawing}\n{mark(source)}\n", encoding="utf-8")
        browser.close()


if __name__ == "__main__":
    main()
