"""What a person sees in a terminal of 80 columns: a live display, and pictures in each form."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from PIL import Image
from rich.console import Console

from eventing.cli.terminal.screen.preview import Mode, Picture, choose
from eventing.testing import Script
from tests.integration.api.deployment import Deployment
from tests.integration.terminal.conftest import Reelzero
from tests.support.pictures import picture

RED_LEFT = picture((64, 32), (255, 0, 0), "JPEG", quality=95)


def drawn(mode: Mode) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system="truecolor")
    console.print(Picture.read(RED_LEFT, mode))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_half_blocks_have_the_colours_of_the_picture() -> None:
    lines = drawn(Mode.blocks).splitlines()
    assert len(lines) == 8 and all(line.count("▀") == 32 for line in lines)
    red, *_, black = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+);48", lines[4])
    assert int(red[0]) > 200 and all(int(value) < 40 for value in (*red[1:], *black))


def test_kitty_gets_a_png_in_parts() -> None:
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", drawn(Mode.kitty))
    assert [("m=1" in keys) for keys, _ in parts] == [True] * (len(parts) - 1) + [False]
    assert "c=32,r=8" in parts[0][0] and all(len(data) <= 4096 for _, data in parts)
    image = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in parts))))
    assert image.size == (64, 32) and image.getpixel((5, 5))[0] > 200  # type: ignore[index]  # it is RGB


def test_sixels_decode_to_the_picture() -> None:
    match = re.search(r'\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\', drawn(Mode.sixel))
    assert match and (match[1], match[2]) == ("320", "160")
    colours = {
        n: (int(r), int(g), int(b)) for n, r, g, b in re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)", match[3])
    }
    band = re.sub(r"#\d+;2;[\d;]+", "", match[3]).split("-")[3]
    left, right = {}, {}
    for row in band.split("$"):
        number, cells = re.match(r"#(\d+)(.*)", row).groups()  # type: ignore[union-attr]  # every row has one
        assert len(cells) == 320
        left[number], right[number] = ord(cells[10]) - 63, ord(cells[300]) - 63
    (red,) = [number for number, bits in left.items() if bits == 63]  # all six lines
    (black,) = [number for number, bits in right.items() if bits == 63]
    assert colours[red][0] > 80 and max(colours[black]) < 15  # in percent


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({"TERM": "xterm-kitty"}, Mode.kitty),
        ({"TERM": "foot"}, Mode.sixel),
        ({"TERM": "xterm-kitty", "TMUX": "x"}, Mode.blocks),
        ({"TERM": "xterm-256color"}, Mode.blocks),
    ],
)
def test_a_terminal_gets_what_it_can_show(environment: dict[str, str], mode: Mode) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", _environ={})
    assert choose(Mode.auto, terminal, environment) is mode
    assert choose(Mode.off, terminal, environment) is Mode.off
    assert choose(Mode.blocks, Console(file=io.StringIO()), environment) is Mode.off  # a pipe
    plain = Console(file=io.StringIO(), force_terminal=True, _environ={"NO_COLOR": "1", "TERM": "xterm"})
    assert choose(Mode.auto, plain, {"TERM": "xterm-256color"}) is Mode.off


def test_a_prompt_that_is_absent_is_asked_for_with_examples(reelzero: Reelzero) -> None:
    text = in_a_terminal("submit", typed="a red dot\n")
    assert "For example:" in text and "a red circle moving right" in text
    assert json.loads(reelzero("get", "--json").stdout)["request"]["prompt"] == "a red dot"
    for command in ("run", "submit"):
        absent = reelzero(command)
        assert absent.exit_code == 2 and "a prompt is missing" in absent.stderr


def test_a_job_is_watched_live_with_its_preview(reelzero: Reelzero, running: Deployment) -> None:
    running.predictor.scripts.append(Script(preview=RED_LEFT, heartbeats=1))
    job_id = reelzero("submit", "a red dot", "-q").stdout.strip()
    text = in_a_terminal("watch", job_id)
    assert re.search(rf"{job_id}  a red dot", text) and f"{job_id}  completed" in text
    assert all(len(line) <= 80 for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines())


def in_a_terminal(*arguments: str, typed: str = "") -> str:
    """What the command writes to a terminal of 80 columns."""
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "COLORTERM": "truecolor"}
    command = [sys.executable, "-m", "eventing", *arguments]
    with subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=env) as process:
        os.close(slave)
        os.write(master, typed.encode())
        parts = []
        try:
            while part := os.read(master, 65536):
                parts.append(part)
        except OSError:  # Linux: the other side is closed
            pass
        assert process.wait() == 0, b"".join(parts)
    os.close(master)
    return b"".join(parts).decode()
