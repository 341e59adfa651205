"""What a person sees: plain lines in a pipe, a list of steps on a terminal."""

from __future__ import annotations

import contextlib
import io

from rich.console import Console

from eventing.standalone.one_shot.screen import LiveScreen, PlainScreen, open_screen


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, _environ={})


def shown(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


def steps(of: Console) -> str:
    with open_screen(of) as screen:
        screen.step("service", "starting")
        screen.step("service", "starting")
        screen.done("service", "ready")
        for step in range(5):
            screen.move("denoise", step, 4)
        screen.step("upload", "to S3")
        screen.done("upload", "done")
    screen.say("x" * 300, copy=True)
    return shown(of)


def test_the_screen_suits_its_place() -> None:
    assert isinstance(open_screen(console(terminal=False)), PlainScreen)
    assert isinstance(open_screen(console(terminal=True)), LiveScreen)


def test_plain_lines_say_each_thing_once_and_the_last_step() -> None:
    lines = [line.partition("] ")[2] for line in steps(console(terminal=False)).splitlines()]
    assert lines[:3] == ["service      starting", "service      ready", "denoise      0 of 4"]
    assert lines[3:6] == ["denoise      4 of 4", "upload       to S3", "upload       done"]


def test_a_terminal_ends_with_every_step_ticked() -> None:
    last = steps(console(terminal=True)).rpartition("✓ service")[2]
    assert "4 steps" in last
    assert last.count("✓") == 2


def test_what_is_to_be_copied_is_in_one_line() -> None:
    for terminal in (False, True):
        assert "x" * 300 in steps(console(terminal))


def test_a_step_that_broke_is_crossed() -> None:
    of = console(terminal=True)
    with contextlib.suppress(RuntimeError), open_screen(of) as screen:
        screen.done("service", "ready")
        screen.step("request", "sent")
        raise RuntimeError
    assert "✗ request" in shown(of).rpartition("✓ service")[2]
