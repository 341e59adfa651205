"""What the page shows besides frames: the log of a video, its deletion elsewhere, adapters as cards."""

from __future__ import annotations

import json

import pytest

from tests.page.server import Site
from tests.page.tab import Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")
PROMPT = "a red square moving right"
TRACEBACK = "Traceback: <b>card 0</b>"


async def test_the_log_of_each_attempt_is_shown_and_its_error(tab: Tab, server: Site) -> None:
    job_id = await server.made(PROMPT)
    lines: list[tuple[str, str, str, dict[str, object]]] = [
        ("eventing.dispatch.attempt", "info", "claimed", {"attempt": 1}),
        ("predictor.device.execution", "error", "the device failed", {"exception": TRACEBACK}),
        ("eventing.dispatch.attempt", "info", "claimed", {"attempt": 2}),
    ]
    with (server.logs / "reelzero.log").open("a") as file:
        for second, (logger, level, message, more) in enumerate(lines):
            line = {"time": f"2026-11-26T09:00:0{second}.123+00:00", "level": level, "logger": logger}
            file.write(json.dumps({**line, "message": message, "job_id": job_id, **more}) + "\n")
        file.write("no JSON, but it names " + job_id + "\n")
    await tab.goto(f"#/jobs/{job_id}")
    await tab.page.click("#log summary")
    await tab.page.wait_for_selector("#log section:nth-of-type(2)")
    assert await tab.page.locator("#log h4").all_inner_texts() == ["Attempt 1\n2 lines", "Attempt 2\n1 line"]
    assert await tab.page.inner_text("#log [data-level='error'] strong") == "the device failed"
    assert await tab.page.inner_text("#log pre") == TRACEBACK


async def test_an_adapter_is_a_card_whose_scale_goes_with_the_request(tab: Tab, server: Site) -> None:
    await tab.goto()
    await tab.page.click("#more > summary")
    card = tab.page.locator(".adapter")
    assert "Drawn in ink" in await card.inner_text() and "Apache-2.0" in await card.inner_text()
    assert await card.locator("input[type=range]").is_hidden()
    await card.locator("input[type=checkbox]").check()
    scale = card.locator("input[type=range]")
    assert [await scale.get_attribute(name) for name in ("min", "max")] == ["0", "2"]
    assert await scale.input_value() == "0.5"
    await scale.fill("1.5")
    assert await card.locator("output").inner_text() == "1.5"
    job = await server.call("GET", f"/v1/jobs/{await tab.submit(PROMPT)}")
    assert [(lora["name"], lora["scale"]) for lora in job["request"]["loras"]] == [("ink", 1.5)]
    await tab.status("completed")


async def test_a_deletion_elsewhere_takes_the_video_off_the_list(tab: Tab, server: Site) -> None:
    job_id = await server.made(PROMPT)
    await tab.goto()
    await tab.page.wait_for_selector(f"#jobs [data-id='{job_id}']")
    await server.call("DELETE", f"/v1/videos/{job_id}")
    await tab.page.wait_for_selector(f"#jobs [data-id='{job_id}']", state="detached")
