"""`reelzero run`, as a person meets it: everything real, one data directory, nothing left behind."""

from __future__ import annotations

import re
import signal
import sqlite3
import sys
from pathlib import Path

import av
import pytest

from tests.acceptance.command import Command, reelzero
from tests.support.waiting import eventually, processes_naming

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
PROMPT = "a red dot"
STATE = ("s3/ports.json", "s3/identity.json", "secrets.json", "service.json")


def arguments(home: Path, *more: str) -> tuple[str, ...]:
    return ("run", PROMPT, "--model", "tiny", "--data-dir", f"{home}/data", "--out", f"{home}/out", *more)


def statuses(home: Path) -> dict[str, str]:
    """Job id → status, straight from the database."""
    file = home / "data" / "reelzero.db"
    if not file.exists():
        return {}
    with sqlite3.connect(file) as connection:
        return dict(connection.execute("select id, status from jobs"))


def job_id(command: Command) -> str:
    match = re.search(r"accepted: (\S+)", command.text)
    assert match, command.text
    return match[1]


async def nothing_left(home: Path) -> None:
    await eventually(lambda: not processes_naming(str(home)), limit=10)
    assert not list((home / "out").glob(".*")), "half a file"


async def test_from_a_prompt_to_an_mp4_twice(home: Path) -> None:
    kept: list[dict[str, str]] = []
    for frames, size in ((17, "128x128"), (9, "64x64")):
        with reelzero(*arguments(home, "--frames", str(frames), "--size", size, "--seed", "7")) as command:
            assert command.end() == 0, command.text
        path = home / "out" / f"{job_id(command)}.mp4"
        with av.open(str(path)) as video:
            stream = video.streams.video[0]
            shown = [frame.width for frame in video.decode(stream)]
            assert (len(shown), f"{stream.width}x{stream.height}") == (frames, size)
            assert stream.average_rate == 8
        assert statuses(home)[job_id(command)] == "completed"
        for words in (
            "accepted: vid_", "completed.v1 came to the sink", "its signature is valid", "checksum right",
            f"{path}\n", "s3://reelzero/jobs/", "reelzero up", "noise on purpose",
        ):  # fmt: skip
            assert words in command.text
        assert re.search(
            r"cold start \S+ s · queue \S+ s · generation \S+ s · encode \S+ s · upload", command.text
        )
        assert "Traceback" not in command.text
        assert "X-Amz-Signature=" not in command.text, "a link that nothing serves any more"
        await nothing_left(home)
        kept.append({name: (home / "data" / name).read_text() for name in STATE})
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("S3 server    starting", None),
        ("service      starting", None),
        ("POST /events", "cancelled"),
        ("from zero", "cancelled"),
        ("(encode_prompt|denoise|decode) ", "cancelled"),
        ("to its file", "completed"),
    ],
)
async def test_ctrl_c_leaves_nothing(home: Path, moment: str, left: str | None) -> None:
    before = statuses(home)
    # Work that takes long enough to be seen.
    long = ("--frames", "49", "--size", "128x128", "--quality", "high") if "decode" in moment else ()
    with reelzero(*arguments(home, *long)) as command:
        command.until(moment)
        command.interrupt()
        assert command.end() == 130, command.text
    assert "stopped on request" in command.lines[-1]
    assert "Traceback" not in command.text
    assert not set(statuses(home).values()) & {"queued", "in_progress"}
    new = [status for job, status in statuses(home).items() if job not in before]
    assert new == ([left] if left else [])
    await nothing_left(home)


async def test_a_folder_that_cannot_hold_the_video_is_refused_before_anything_starts(home: Path) -> None:
    file = home / "a-file"
    file.touch()
    with reelzero(
        "run", "a red circle", "--out", str(file / "out"), "--data-dir", f"{home}/unused"
    ) as command:
        assert command.end() == 1
    assert "--out: " in command.text and "Not a directory" in command.text
    assert not (home / "unused").exists()


async def test_a_killed_run_leaves_no_process_and_its_job_is_not_resumed(home: Path) -> None:
    with reelzero(*arguments(home), REELZERO_LEASE_SECONDS="5") as command:
        command.until("from zero")
        command.process.send_signal(signal.SIGKILL)
        command.end()
    job = job_id(command)
    await eventually(lambda: not processes_naming(str(home)))
    assert statuses(home)[job] == "in_progress"
    with reelzero("up", "--port", "0", "--data-dir", f"{home}/data") as up:
        up.until("ready ")
        # Its lease has to lapse first; then it ends instead of being generated.
        await eventually(lambda: statuses(home)[job] == "cancelled")
        up.interrupt()
        assert up.end() == 0
    await nothing_left(home)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (("--frames", "10"), "tiny cannot make 10 frames"),
        (("--size", "100x100"), "tiny cannot make 100x100"),
        (("--model", "nonesuch"), "unknown model 'nonesuch'; known here: "),
        (("--model", "wan2.1-t2v-1.3b"), "wan2.1-t2v-1.3b needs 1 GPU and this machine has no GPU"),
    ],
)
async def test_what_cannot_be_made_is_said_in_a_line(home: Path, wish: tuple[str, str], said: str) -> None:
    with reelzero(*arguments(home, *wish)) as command:
        assert command.end() == 1
    assert said in command.text
    assert "Traceback" not in command.text
    await nothing_left(home)
