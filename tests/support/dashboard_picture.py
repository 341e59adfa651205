"""Draw the dashboard as it would look on the tests' scene: `python -m tests.support.dashboard_picture`.

Grafana has no package here, so each panel's queries are drawn as lines from what Prometheus answers, and
chromium takes a picture of them. It writes docs/images/dashboard.png.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from config.render import CHART
from eventing.contract.storage.s3 import Bucket
from eventing.standalone.s3.s3server import S3Server
from tests.observability.prometheus import Series
from tests.observability.scene import Scene, scene
from tests.observability.test_live import asked
from tests.support.diagrams import FLAGS
from tests.support.moving_pictures import IMAGES

WIDTH, HEIGHT = 380, 110  # pixels of a chart
COLOURS = ("#2e7d32", "#1565c0", "#e65100", "#6a1b9a", "#00838f", "#c62828", "#9e9d24", "#4e342e")
STYLE = """
body { margin: 0; padding: 16px; width: 1280px; background: #f4f5f5; font: 12px sans-serif; color: #24292e }
h2 { font-size: 15px; margin: 14px 0 6px } h3 { font-size: 12px; margin: 0 0 4px; font-weight: 600 }
main { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px }
section { background: #fff; border: 1px solid #dde1e4; border-radius: 3px; padding: 8px }
svg { display: block } p { margin: 4px 0 0; color: #555; font-size: 10px; max-height: 26px; overflow: hidden }
"""


async def main() -> None:
    """Play the scene and write the picture."""
    with tempfile.TemporaryDirectory(prefix="rz-dashboard-") as name:
        folder = Path(name)
        server = S3Server(folder / "s3", folder / "s3.log")
        location = await server.start()
        os.environ.update(server.credentials.environment())
        bucket = Bucket(location)
        bucket.ensure()
        storage = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
        storage |= {"REELZERO_S3_ENDPOINT": location.endpoint or "", "REELZERO_S3_BUCKET": location.bucket}
        async with scene(folder, bucket, storage) as played:
            html = await page(played)
        await server.stop()
    await _screenshot(html)


async def page(played: Scene) -> str:
    """The dashboard as HTML."""
    body: list[str] = []
    for panel in json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]:
        if panel["type"] == "row":
            body.append(f"{'</main>' if body else ''}<h2>{escape(panel['title'])}</h2><main>")
        else:
            body.append(await _panel(played, panel))
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{''.join(body)}</main>"


async def _panel(played: Scene, panel: dict[str, Any]) -> str:
    lines: list[tuple[str, Series]] = []
    for target in panel["targets"]:
        for series in await played.history(asked(target["expr"])):
            lines.append((_legend(target["legendFormat"], series.labels), series))
    top = max((y for _, each in lines for _, y in each.points if math.isfinite(y)), default=0.0)
    chart = "".join(_line(played, each, top, COLOURS[i % 8]) for i, (_, each) in enumerate(lines))
    words = " ".join(
        f'<span style="color:{COLOURS[i % 8]}">■</span> {escape(text)}' for i, (text, _) in enumerate(lines)
    )
    scale = (
        f'<text x="2" y="11" fill="#777">{top:.3g} {escape(panel["fieldConfig"]["defaults"]["unit"])}</text>'
    )
    svg = f'<svg width="{WIDTH}" height="{HEIGHT}">{scale}{chart}</svg>'
    return (
        f"<section><h3>{escape(panel['title'])}</h3>{svg}<p>{words or 'no data without a card'}</p></section>"
    )


def _legend(form: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), form)


def _line(played: Scene, series: Series, top: float, colour: str) -> str:
    across, up = WIDTH / (played.end - played.begin), (HEIGHT - 22) / (top or 1.0)
    points = " ".join(
        f"{across * (at - played.begin):.1f},{HEIGHT - 4 - up * max(value, 0.0):.1f}"
        for at, value in series.points
        if math.isfinite(value)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'


async def _screenshot(html: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        tab = await browser.new_page(viewport={"width": 1312, "height": 800})
        await tab.set_content(html)
        await tab.screenshot(path=IMAGES / "dashboard.png", full_page=True)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
