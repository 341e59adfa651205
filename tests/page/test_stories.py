"""Stories on the page: scenes, the film as it grows, a change of one scene, faults, keyboard, axe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from PIL import Image

from tests.page.files import make_files
from tests.page.story_stub import StoryServer
from tests.page.tab import Tab
from tests.page.test_access import violations

pytestmark = pytest.mark.asyncio(loop_scope="session")
SCENES: list[dict[str, Any]] = [
    {"prompt": "a red square moving right", "narration": "It moved to the right.", "transition": 0.5},
    {"title": "Chapter two"},
    {"prompt": "a blue circle growing", "narration": "And there was a circle."},
]
DOCUMENT = {"scenes": SCENES, "film": {"voice": "en-gb"}}
BADGES = "[...document.querySelectorAll('.scene-head .badge')].map((each) => each.textContent).join('|')"
STAGE = "document.querySelector('.story-stage')?.dataset.status"
WORDS = "[...document.querySelectorAll('.scene-words textarea')].map((each) => each.value)"
WIDTH = """(address) => {
  const image = new Image();
  image.src = address;
  return image.decode().then(() => image.naturalWidth);
}"""
PLACES = """async (paths) => {
  const { place } = await import(new URL("static/js/stories/places.js", document.baseURI));
  return Object.fromEntries(paths.map((path) => [path, place(path)]));
}"""
LIVE = "document.querySelector('#live').textContent"


@pytest_asyncio.fixture(loop_scope="session")
async def stories(tab: Tab, story_files: dict[str, bytes]) -> StoryServer:
    """The answers to the tab's calls of stories."""
    stories = StoryServer(story_files)
    await stories.install(tab.page)
    return stories


@pytest.fixture(scope="module")
def story_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_files(tmp_path_factory.mktemp("story"))


async def show(tab: Tab, address: str, drawn: str = "#story-go") -> None:
    await tab.page.goto(f"{tab.url}/{address}")
    await tab.page.wait_for_selector(drawn)


async def test_scenes_are_written_ordered_and_sent_by_the_keyboard_alone(
    tab: Tab, stories: StoryServer
) -> None:
    await show(tab, "#/stories/new")
    keyboard = tab.page.keyboard
    await tab.page.focus(".scene textarea")
    await keyboard.type("a red square moving right")
    await tab.page.focus("#add-scene")
    await keyboard.press("Enter")
    await keyboard.type("a blue circle growing")  # the new scene has the focus
    assert await tab.run(LIVE) == "Scene 2 of 2 was added"
    await tab.page.focus(".scene:nth-child(2) [data-does=up]")
    await keyboard.press("Enter")
    assert await tab.run(WORDS) == ["a blue circle growing", "a red square moving right"]
    assert await tab.run(LIVE) == "Scene 2 is now scene 1 of 2"
    assert await tab.run("document.activeElement.getAttribute('aria-label')") == "Move up: scene 1"
    await keyboard.press("Enter")  # it is the first already
    await tab.page.reload()
    await tab.page.wait_for_selector(".scene:nth-child(2)")
    assert await tab.run(WORDS) == ["a blue circle growing", "a red square moving right"], "the draft is kept"
    await tab.page.focus(".scene:nth-child(2) [data-does=bin]")
    await keyboard.press("Enter")
    assert await tab.run("document.activeElement.textContent") == "Scene 1"
    await tab.page.click(".scene-undo button")
    await tab.page.focus(".scene:nth-child(2) textarea")
    await keyboard.press("Control+Enter")
    await tab.page.wait_for_selector(".story-stage")
    scenes = [{"prompt": "a blue circle growing"}, {"prompt": "a red square moving right"}]
    assert [body for name, _, body in stories.sent if name == "submit"] == [{"scenes": scenes}]
    await show(tab, "#/stories/new")
    assert await tab.run(WORDS) == [""], "a story that is sent is no draft"


async def test_a_scene_is_dragged_to_another_place_and_a_picture_goes_into_the_story(
    tab: Tab, stories: StoryServer, tmp_path: Path
) -> None:
    Image.new("RGB", (3000, 1500), (40, 90, 200)).save(tmp_path / "large.png")
    stories.add(DOCUMENT)
    stories.finish("story_1")
    await show(tab, "#/stories/story_1")
    await tab.page.click("#story-copy")
    await tab.page.wait_for_selector("h1:has-text('New story')")
    handle, first = tab.page.locator(".scene:nth-child(2) .handle"), tab.page.locator(".scene").first
    await handle.scroll_into_view_if_needed()
    start, goal = await handle.bounding_box(), await first.bounding_box()
    await tab.page.mouse.move(start["x"] + 5, start["y"] + 5)
    await tab.page.mouse.down()
    await tab.page.mouse.move(start["x"] + 5, goal["y"] + goal["height"] / 3, steps=4)
    await tab.page.mouse.up()
    assert (await tab.run(WORDS))[0] == "Chapter two"
    await tab.page.locator(".scene").first.get_by_text("Picture", exact=True).click()
    await tab.page.set_input_files(".scene:first-child input[type=file]", tmp_path / "large.png")
    await tab.page.wait_for_selector(".scene:first-child .picture img:not([hidden])")
    await tab.page.click("#story-go")
    await tab.page.wait_for_url("**/#/stories/story_2", wait_until="commit")
    scene = stories.stories["story_2"]["request"]["scenes"][0]
    assert scene["image"].startswith("data:image/jpeg;base64,") and "title" not in scene
    assert await tab.run(WIDTH, scene["image"]) == 2048


async def test_the_film_grows_scene_by_scene_and_plays_with_its_subtitles(
    tab: Tab, stories: StoryServer
) -> None:
    stories.add(DOCUMENT)
    await show(tab, "#/stories/story_1")
    stories.change("story_1", "speech-1", "video-1", "scene-1", state="completed")
    stories.change("story_1", "video-3", state="running", percent=40)
    await tab.until(f"{BADGES} === 'Done|Waiting|Running · 34 %'")
    assert await tab.page.is_disabled("#story-go") and await tab.page.is_disabled(".scene textarea")
    await tab.page.click(".strip-scene:not(:disabled)")
    await tab.until("document.querySelector('.story-video').currentTime > 0")
    assert "Scene 1" in (await tab.page.get_attribute(".story-video", "aria-label") or "")
    stories.finish("story_1")
    await tab.until(f"{STAGE} === 'completed'")
    cues = "document.querySelector('.story-video')?.textTracks[0]?.cues?.[0]?.text"
    await tab.until(f"{cues} === 'A square moves to the right.'")
    await tab.until("document.querySelector('.story-video').readyState >= 1")
    assert "Done" in await tab.run(LIVE)
    async with tab.page.expect_download() as event:
        await tab.page.click("#save-subtitles")
    assert (await event.value).suggested_filename == "story_1.vtt"


async def test_a_change_sends_the_changed_scene_alone_and_shows_what_was_reused(
    tab: Tab, stories: StoryServer
) -> None:
    stories.add(DOCUMENT)
    stories.finish("story_1")
    await show(tab, "#/stories/story_1")
    await tab.page.fill(".scene:nth-child(3) textarea[id$=narration]", "")
    await tab.page.fill(".scene:nth-child(3) textarea[id$=prompt]", "a green circle growing")
    assert await tab.run(BADGES) == "Done|Done|Changed"
    await tab.until("document.querySelector('#story-estimate').textContent === '3 steps, about 26 s of work'")
    await tab.page.click("#story-go")
    await tab.page.wait_for_url("**/#/stories/story_2", wait_until="commit")
    _, _, sent = stories.sent[-1]
    assert sent == {"scenes": {"3": {"prompt": "a green circle growing", "narration": None}}}
    stories.change("story_2", "speech-1", "video-1", "scene-1", "scene-2", state="completed", reused=True)
    stories.finish("story_2")
    await tab.until(f"{BADGES} === 'Reused|Reused|Done'")
    assert "4 of them reused" in await tab.page.inner_text("#story-steps summary")


async def test_a_failed_story_names_its_scene_and_goes_on_or_is_deleted(
    tab: Tab, stories: StoryServer
) -> None:
    stories.add(DOCUMENT)
    stories.change("story_1", "speech-1", state="completed")
    error = {"code": "out_of_memory", "message": "the device is out of memory: <b>fewer</b> frames fit"}
    stories.change("story_1", "video-1", state="failed", error=error)
    await show(tab, "#/stories", ".story-list .tile")
    assert "Failed" in await tab.page.inner_text(".story-list .tile")
    await tab.page.click(".story-list a")
    await tab.page.wait_for_selector("#story-failure")
    assert "<b>fewer</b>" in await tab.page.inner_text(".scene:first-child .scene-problem")
    await tab.page.click("#story-retry")
    await tab.page.click("#story-cancel")
    await tab.until(f"{STAGE} === 'cancelled'")
    assert [name for name, *_ in stories.sent] == ["retry", "cancel"]


async def test_a_fault_is_shown_at_the_field_that_its_path_names(tab: Tab, stories: StoryServer) -> None:
    tab.expects = ("422",)
    stories.add(DOCUMENT)
    stories.finish("story_1")
    await show(tab, "#/stories/story_1")
    fields = {
        "scenes[2].narration": (2, "narration"), "scenes.3.title": (2, "title"),
        "steps.speech-3.with.text": (2, "narration"), "steps.video-1.with.prompt": (0, "prompt"),
        "steps.scene-2.with.text": (1, "title"), "steps.film.with.transitions[0]": (0, "transition"),
        "film.voice": (None, "voice"), "steps.speech-1.with.voice": (None, "voice"),
        "steps.film.inputs.music": (None, "music"),
    }  # fmt: skip
    places = await tab.run(PLACES, list(fields))
    assert places == {path: {"scene": scene, "field": field} for path, (scene, field) in fields.items()}
    stories.refusal = {
        "detail": "scenes[2].seconds: must be more than 0",
        "code": "invalid_request",
        "field": "scenes[2].seconds",
    }
    await tab.page.fill(".scene:nth-child(3) [data-field=seconds] input", "-1")
    await tab.page.click("#story-go")
    await tab.page.wait_for_selector(".scene:nth-child(3) [data-field=seconds] .wrong")
    assert await tab.run("document.activeElement.getAttribute('aria-invalid')") == "true"


async def test_axe_has_no_complaint_about_stories_and_nothing_is_wider_than_the_window(
    tab: Tab, stories: StoryServer
) -> None:
    stories.add(DOCUMENT)
    stories.finish("story_1")
    stories.add(DOCUMENT, "story_2")
    stories.change("story_2", "video-1", state="running", percent=40)
    shown: list[tuple[Literal["light", "dark"], int, str]] = [
        ("light", 390, ""), ("light", 390, "/story_1"), ("dark", 1280, "/new"), ("dark", 1280, "/story_2"),
    ]  # fmt: skip
    for scheme, width, address in shown:
        await tab.page.set_viewport_size({"width": width, "height": 844})
        await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await show(tab, f"#/stories{address}", "#story-go" if address else ".story-list .tile")
        assert await violations(tab) == [], (scheme, address)
        assert not await tab.run("document.documentElement.scrollWidth > innerWidth"), (scheme, address)
