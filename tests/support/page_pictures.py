"""Make the pictures of the page from a real run: `python -m tests.support.page_pictures`.

It starts the server that the tutorial starts, writes a prompt into the page in chromium, and takes
a picture of each change until the video has played.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.support.diagrams import FLAGS
from tests.support.doc_examples import default_server
from tests.support.moving_pictures import IMAGES, Shot, save

PROMPT = "a blue square moving up"
SIZE = (1120, 720)
LOOK = 0.1  # seconds between two pictures
PLAYS = 20  # pictures of the playing video
WAITS = 1200  # pictures until the run counts as hung
LONGEST = 600  # milliseconds that a picture without a change stays
PLAYING = "() => [...document.querySelectorAll('video')].some((video) => video.readyState >= 2)"


def main() -> None:
    """Write docs/images/page.webp."""
    with tempfile.TemporaryDirectory(prefix="reelzero-pictures-") as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        with default_server(Path(name)) as reader:
            page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
            page.goto(reader.environment["REELZERO"])
            page.locator("#prompt").wait_for()
            shots = list(merged(run(page)))
            save(IMAGES / "page.webp", shots)
        browser.close()


def run(page: Page) -> Iterator[bytes]:
    """Pictures of the page while a video is made and played, as PNG."""
    yield page.screenshot()
    for end in range(0, len(PROMPT), 4):
        page.locator("#prompt").press_sequentially(PROMPT[end : end + 4])
        yield page.screenshot()
    page.get_by_role("button", name="Make it").click()
    for _ in range(WAITS):
        yield page.screenshot()
        if page.evaluate(PLAYING):
            break
        time.sleep(LOOK)
    for _ in range(PLAYS):
        time.sleep(LOOK)
        yield page.screenshot()


def merged(pictures: Iterator[bytes]) -> Iterator[Shot]:
    """Make one shot of equal pictures that follow each other."""
    before, count = b"", 0
    for picture in pictures:
        if before and picture != before:
            yield _shot(before, count)
            count = 0
        before, count = picture, count + 1
    yield _shot(before, 12)


def _shot(picture: bytes, count: int) -> Shot:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    small = image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS)
    return Shot(small, min(LONGEST, 120 * count))


if __name__ == "__main__":
    main()
