"""Take the pictures of the page in docs/images/page: `python -m tests.support.page_screenshots`.

It starts the server that the tutorial starts, makes videos with fixed seeds, and opens the page in chromium
at 390, 768, 1280 and 1920 pixels, in both colour schemes. Ages and addresses differ from run to run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from eventing.client import Client
from tests.support.diagrams import FLAGS
from tests.support.doc_examples import DOCS, default_server

PICTURES = DOCS / "images" / "page"
PROMPTS = (
    "a red circle moving right", "a large green triangle growing", "a small yellow star moving left",
    "a purple square shrinking", "a large white star moving down", "a green circle moving left",
    "a small red triangle moving up", "a blue square moving up",
)  # fmt: skip
NEXT = "a small orange star moving right"
HEIGHTS = {390: 844, 768: 1024, 1280: 900, 1920: 1080}
PLAYS = "() => document.querySelector('#video')?.readyState === 4"
HOME = """() => {
    const tiles = document.querySelectorAll('#jobs .tile');
    const posters = [...document.querySelectorAll('#jobs .tile img')];
    const seen = posters.filter((image) => image.getBoundingClientRect().top < innerHeight);
    const estimate = document.querySelector('#estimate')?.textContent;
    return tiles.length >= 8 && estimate && seen.every((image) => image.complete);
}"""
DETAILS = """() => {
    const parts = [...document.querySelectorAll('#detail details')];
    for (const part of parts) part.open = true;
    return parts.length >= 4 && document.querySelector('.log-line');
}"""
OPERATES = "() => document.querySelector('#operate table')"
LONGEST = 600_000  # milliseconds: only a hang needs them
SETTLES = 2_500  # milliseconds after the last change, for fonts and the controls of the player


Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True)
class View:
    """One picture: what it shows, how wide, in which scheme, and what is there once it is drawn."""

    name: str
    address: str
    width: int
    scheme: Scheme
    drawn: str


def views(job_id: str) -> Iterator[View]:
    """List the pictures that the documents show."""
    for scheme in SCHEMES:
        for width in (1920, 768):
            yield View("home", "#/", width, scheme, HOME)
        for width in (1280, 390):
            yield View("job", f"#/jobs/{job_id}", width, scheme, PLAYS)
    yield View("details", f"#/jobs/{job_id}", 1280, "light", DETAILS)
    yield View("operate", "#/operate", 1280, "light", OPERATES)


def main() -> None:
    """Write docs/images/page/NAME-SCHEME-WIDTH.png."""
    with tempfile.TemporaryDirectory(prefix="reelzero-pictures-") as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        with default_server(Path(name)) as reader:
            server = reader.environment["REELZERO"]
            with ThreadPoolExecutor(1) as beside:  # the loop of playwright runs in this thread
                job_id = beside.submit(make, server).result()
            for view in views(job_id):
                take(browser, server, view)
        browser.close()


def make(server: str) -> str:
    """Make the videos; the id of the last one."""
    with Client(server) as client:
        jobs = [client.submit(prompt=prompt, seed=7).id for prompt in PROMPTS]
        for job_id in jobs:
            client.wait(job_id)
    return jobs[-1]


def take(browser: Browser, server: str, view: View) -> None:
    """Open a view as a new visitor would, and keep its picture."""
    context = browser.new_context(
        viewport={"width": view.width, "height": HEIGHTS[view.width]}, color_scheme=view.scheme,
        reduced_motion="reduce", bypass_csp=True,  # playwright evaluates `drawn` in the page
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(LONGEST)
    page.goto(f"{server}/{view.address}")
    if view.drawn == HOME:
        page.locator("#prompt").fill(NEXT)
    page.wait_for_function(view.drawn)
    page.wait_for_timeout(SETTLES)
    path = PICTURES / f"{view.name}-{view.scheme}-{view.width}.png"
    if view.drawn == DETAILS:
        page.locator("#detail").screenshot(path=path)
    else:
        page.screenshot(path=path, full_page=view.drawn == OPERATES)
    context.close()
    print(path.relative_to(DOCS.parent), flush=True)


if __name__ == "__main__":
    main()
