"""Make the moving pictures of the documents from a real run: `python -m tests.support.moving_pictures`.

It starts the server that the tutorial starts, types a command into a terminal (tmux), looks at its screen
many times a second, and draws each screen by the system's chromium. The video that the command made follows.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.support.diagrams import FLAGS
from tests.support.doc_examples import DOCS, Reader, default_server

IMAGES = DOCS / "images"
COMMAND = (
    "reelzero submit a large red circle moving left --seed 3 --num-inference-steps 90 --watch --out videos"
)
COLUMNS, ROWS = 80, 22
LOOK = 0.06  # seconds between two looks at the screen
TYPING = 40  # milliseconds a letter
LAST = 1200  # milliseconds that the last screen stays
LONGEST = 600  # milliseconds that any other picture stays
END = "$ "  # what the shell prints when it waits
GROUND = "#10151f"
THEME = TerminalTheme(
    (16, 21, 31), (214, 219, 228),
    [(60, 68, 82), (240, 113, 120), (127, 217, 98), (255, 180, 84), (83, 189, 250), (210, 166, 255),
     (149, 230, 203), (214, 219, 228)],
)  # fmt: skip
PAGE = """<body style="margin:0;background:{ground}"><pre style="margin:0;padding:14px 18px;width:{columns}ch;
height:{rows}lh;font:15px/1.18 'DejaVu Sans Mono',monospace;color:#d6dbe4">{{code}}</pre></body>"""


@dataclass(frozen=True)
class Shot:
    """One picture, and how long it stays, in milliseconds."""

    picture: Image.Image
    milliseconds: int


def main() -> None:
    """Write docs/images/run.webp and docs/images/tutorial-video.webp."""
    with tempfile.TemporaryDirectory(prefix="reelzero-pictures-") as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        with default_server(Path(name)) as reader:
            save(IMAGES / "tutorial-video.webp", [Shot(frame, 125) for frame in warm(reader)])
            shots = drawn(browser.new_page(), list(session(reader)))
            video = next((reader.folder / "videos").glob("*.mp4"))
            save(IMAGES / "run.webp", shots + playing(shots[-1].picture, frames(video, 4)))
        browser.close()


def warm(reader: Reader) -> list[Image.Image]:
    """Make the video of the tutorial, whose frames these are; the model is loaded afterwards."""
    command = "reelzero submit a red circle moving right --seed 7 --out tutorial".split()  # noqa: SIM905 -- as a reader types it
    subprocess.run(command, cwd=reader.folder, env=dict(reader.environment), check=True)
    return frames(next((reader.folder / "tutorial").glob("*.mp4")), 4)


def session(reader: Reader) -> Iterator[tuple[str, int]]:
    """The screens of the terminal, with their milliseconds: the typing, the run, the end."""
    tmux = ["tmux", "-L", f"pictures-{time.monotonic_ns()}"]
    shell = ["bash", "--norc", "--noprofile"]
    environment = dict(reader.environment) | {"PS1": END, "COLORTERM": "truecolor", "TERM": "xterm-256color"}
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    subprocess.run(
        [*tmux, "new-session", "-d", *size, *shell], cwd=reader.folder, env=environment, check=True
    )
    try:
        yield from _typed(tmux)
        subprocess.run([*tmux, "send-keys", "Enter"], check=True)
        before, since = _screen(tmux), time.monotonic()
        while not _plain(screen := _screen(tmux)).endswith(f"\n{END.strip()}"):
            if screen != before and screen == _screen(tmux):  # drawn to its end
                yield before, round(1000 * (time.monotonic() - since))
                before, since = screen, time.monotonic()
            time.sleep(LOOK)
        yield before, LONGEST
        yield screen, LAST
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def _typed(tmux: list[str]) -> Iterator[tuple[str, int]]:
    for end in range(0, len(COMMAND), 3):
        subprocess.run([*tmux, "send-keys", "-l", "--", COMMAND[end : end + 3]], check=True)
        time.sleep(LOOK)
        yield _screen(tmux), 3 * TYPING


def _screen(tmux: list[str]) -> str:
    return subprocess.check_output([*tmux, "capture-pane", "-e", "-p"], text=True)


def _plain(screen: str) -> str:
    return Text.from_ansi(screen).plain.rstrip()


def drawn(page: Page, screens: list[tuple[str, int]]) -> list[Shot]:
    """Draw screens; those that look the same become one."""
    shots: list[Shot] = []
    frame = PAGE.format(ground=GROUND, columns=COLUMNS, rows=ROWS)
    for screen, milliseconds in screens:
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
        console.print(Text.from_ansi(screen, no_wrap=True))
        page.set_content(console.export_html(theme=THEME, inline_styles=True, code_format=frame))
        picture = Image.open(io.BytesIO(page.locator("pre").screenshot())).convert("RGB")
        stays = milliseconds if milliseconds == LAST else min(milliseconds, LONGEST)
        shots.append(Shot(picture, max(stays, 40)))
    return shots


def playing(screen: Image.Image, video: list[Image.Image]) -> list[Shot]:
    """The last screen with the video in it, three times."""
    shots = []
    for frame in video * 3:
        picture = screen.copy()
        picture.paste(frame, ((screen.width - frame.width) // 2, screen.height - frame.height - 16))
        shots.append(Shot(picture, 125))
    return shots


def frames(video: Path, scale: int) -> list[Image.Image]:
    """The frames of an MP4, each side `scale` times as long."""
    with av.open(str(video)) as container:
        pictures = [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return [p.resize((p.width * scale, p.height * scale), Image.Resampling.NEAREST) for p in pictures]


def save(path: Path, shots: list[Shot]) -> None:
    """Write an animated WebP that repeats."""
    first, *rest = [shot.picture for shot in shots]
    times = [shot.milliseconds for shot in shots]
    first.save(path, save_all=True, append_images=rest, duration=times, loop=0, quality=80, method=3)
    print(f"{path.relative_to(DOCS.parent)}: {len(shots)} pictures, {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
