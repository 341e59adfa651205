"""From a prompt to a playing video, and what may come between: reload, cancel, other tabs, an error."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

import av
import pytest
from PIL import Image

from eventing.contract.records.models import Failure
from eventing.testing import Script
from tests.page.server import Site
from tests.page.tab import Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")
PROMPT = "a red square moving right"
# The picture that the video shows at a time, as a string that is equal for equal pictures.
PIXELS = """async (seconds) => {
  const video = document.querySelector("#video");
  video.pause();
  const shown = new Promise((done) => video.addEventListener("seeked", done, {once: true}));
  video.currentTime = seconds;
  await shown;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  return [...context.getImageData(0, 0, canvas.width, canvas.height).data].join();
}"""
PLAYS = "document.querySelector('#video')?.currentTime > 0.1"


async def test_a_prompt_becomes_a_video_that_plays_and_whose_frames_differ(tab: Tab) -> None:
    await tab.goto()
    await tab.submit(PROMPT)
    await tab.status("completed")
    await tab.until(PLAYS)
    # Object storage has another origin, whose pixels a page may not read. The same file from here it may.
    await tab.run(SAME_ORIGIN, await tab.job_id())
    first, last = [await tab.run(PIXELS, seconds) for seconds in (0.0, 1.9)]
    assert first != last
    assert await tab.run("document.querySelector('#video').videoWidth") == 64


SAME_ORIGIN = """async (id) => {
  const video = document.querySelector("#video");
  const ready = new Promise((done) => video.addEventListener("loadeddata", done, {once: true}));
  video.src = `v1/videos/${id}/content`;
  await ready;
}"""


async def test_a_picture_goes_with_the_request(tab: Tab, server: Site, tmp_path: Path) -> None:
    picture = tmp_path / "first.png"
    Image.new("RGB", (64, 64), (40, 90, 200)).save(picture)
    await tab.goto()
    await tab.page.wait_for_selector("[data-field='image']:not([hidden])")
    await tab.page.set_input_files("#image-file", picture)
    await tab.page.wait_for_selector("[data-field='image'] img:not([hidden])")
    job = await server.call("GET", f"/v1/jobs/{await tab.submit(PROMPT)}")
    stored = job["request"]["image"]["uri"]
    bucket = server.service.container.bucket
    content = await asyncio.to_thread(bucket.get, bucket.key(stored))
    assert content is not None and Image.open(io.BytesIO(content)).getpixel((9, 9)) == (40, 90, 200)
    await tab.status("completed")


async def test_a_reload_in_the_middle_shows_the_same_job_and_its_preview(tab: Tab, server: Site) -> None:
    preview = io.BytesIO()
    Image.new("RGB", (20, 10), (200, 30, 60)).save(preview, "JPEG")
    gate = server.hold(Script(preview=preview.getvalue()))
    await tab.goto()
    job_id = await tab.submit(PROMPT)
    await tab.page.wait_for_selector("#preview")
    await tab.page.reload()
    picture = await tab.page.wait_for_selector("#preview")
    assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 20
    assert await tab.job_id() == job_id and await tab.page.input_value("#prompt") == PROMPT
    gate.set()
    await tab.status("completed")
    await tab.page.wait_for_selector("#video")


async def test_a_cancel_ends_the_job_here_and_on_the_server(tab: Tab, server: Site) -> None:
    server.hold()
    await tab.goto()
    job_id = await tab.submit(PROMPT)
    await tab.status("in_progress")
    await tab.page.click("#cancel")
    await tab.status("cancelled")
    await tab.page.wait_for_selector("#failure")
    assert (await server.call("GET", f"/v1/jobs/{job_id}"))["status"] == "cancelled"


async def test_another_tab_shows_what_the_first_one_makes_without_a_reload(tab: Tab, server: Site) -> None:
    other = await Tab.open(tab.page.context, tab.url)
    await other.goto()
    gate = server.hold()
    await tab.goto()
    job_id = await tab.submit("a blue circle moving up")
    tile = f"#jobs [data-id='{job_id}']"
    await other.page.wait_for_selector(f"{tile}[data-status='in_progress']")
    gate.set()
    await other.page.wait_for_selector(f"{tile}[data-status='completed'] img")
    assert other.errors == []


async def test_an_error_is_shown_in_words_and_a_retry_makes_the_video(tab: Tab, server: Site) -> None:
    words = "the device is out of memory: <b>fewer</b> frames fit"
    failure = Failure(code="out_of_memory", message=words, retryable=False)
    server.predictor.scripts = [Script(failure=failure)]
    await tab.goto()
    await tab.submit("a red square & <img src=x onerror=alert(1)>")
    await tab.status("failed")
    assert words in await tab.page.inner_text("#failure")
    assert "<img" in await tab.page.inner_text("#detail h2")
    assert await tab.page.locator("#detail h2 img").count() == 0
    await tab.page.click("#retry")
    await tab.status("completed")


async def test_a_wrong_field_is_named_beside_it_in_the_words_of_the_server(tab: Tab) -> None:
    tab.expects = ("422",)  # a browser writes a line for each refused request
    await tab.goto()
    await tab.page.click("#go")
    await tab.page.wait_for_selector("[data-field='prompt'] .wrong")
    assert "prompt" in await tab.page.inner_text("[data-field='prompt'] .wrong")


async def test_a_deep_link_opens_a_video_and_back_closes_it(tab: Tab, server: Site) -> None:
    job_id = await server.made(PROMPT)
    await tab.goto()
    await tab.page.goto(f"{tab.url}/#/jobs/{job_id}")
    await tab.status("completed")
    await tab.page.wait_for_selector("#video")
    await tab.page.go_back()
    await tab.page.wait_for_selector("#detail", state="hidden")
    tab.expects = ("404",)
    await tab.page.goto(f"{tab.url}/#/jobs/none")
    assert "not here" in await tab.page.inner_text("#detail h2")


async def test_download_saves_the_file_under_a_name(tab: Tab, server: Site, tmp_path: Path) -> None:
    job_id = await server.made(PROMPT)
    await tab.goto(f"#/jobs/{job_id}")
    await tab.page.wait_for_selector("#download")
    async with tab.page.expect_download() as event:
        await tab.page.click("#download")
    download = await event.value
    assert re.fullmatch(rf".*{job_id}.*\.mp4", download.suggested_filename)
    await download.save_as(tmp_path / "video.mp4")
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 17


async def test_a_model_that_cannot_run_says_why_before_and_after_a_request(
    tab: Tab, server: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "the weights of shapes-tiny are missing"
    monkeypatch.setattr(server.service.container.served, "_obstacle", lambda _model: reason)
    before = await server.call("GET", "/v1/jobs?limit=1")
    tab.expects = ("422",)
    await tab.goto()
    await tab.page.wait_for_selector("#model .cannot")
    assert reason in await tab.page.text_content("#model")
    await tab.page.fill("#prompt", PROMPT)
    await tab.page.click("#go")
    refused = "document.querySelector('[data-field=model] .wrong')?.textContent"
    await tab.until(f"{refused}?.includes({reason!r})")
    assert await server.call("GET", "/v1/jobs?limit=1") == before


async def test_the_form_says_what_a_video_will_take_and_the_video_what_it_took(tab: Tab) -> None:
    await tab.goto()
    await tab.submit(PROMPT)
    await tab.status("completed")
    await tab.until("document.querySelector('#detail').textContent.includes('GPU-seconds')")
    await tab.page.fill("#prompt", f"{PROMPT} again")
    await tab.until("document.querySelector('#estimate').textContent.startsWith('About ')")
    await tab.page.fill("#prompt", " ")
    await tab.until("document.querySelector('#estimate').textContent === ''")
