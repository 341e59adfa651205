"""A job's folder lives as long as its process, and a killed process leaves none to its successor."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from predictor.generation import scratch
from predictor.generation.scratch import PREFIX, job_folder, sweep

OWNER = """
import sys
from pathlib import Path
from predictor.generation.scratch import job_folder
with job_folder(Path(sys.argv[1])) as folder:
    (folder / "video.mp4").write_bytes(b"half a video")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


class Owner:
    """Another process that has a job folder."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.name = self.process.stdout.readline().strip()

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.communicate()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays(tmp_path: Path) -> None:
    killed, living = Owner(tmp_path), Owner(tmp_path)
    try:
        sweep(tmp_path)
        assert names(tmp_path) == {killed.name, living.name}
        killed.end(signal.SIGKILL)
        assert names(tmp_path) == {killed.name, living.name}, "nothing runs in a killed process"
        sweep(tmp_path)
        assert names(tmp_path) == {living.name}
        assert (tmp_path / living.name / "video.mp4").read_bytes() == b"half a video"
    finally:
        living.end(signal.SIGKILL)


def test_a_folder_of_this_process_survives_its_own_sweep_and_ends_with_its_job(tmp_path: Path) -> None:
    with job_folder(tmp_path) as folder:
        sweep(tmp_path)
        assert folder.is_dir()
        (folder / "file").touch()
    assert names(tmp_path) == set()


def test_a_sweep_touches_nothing_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").touch()
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "reelzero-other").mkdir()
    (disk / f"{PREFIX}file").touch()
    (disk / f"{PREFIX}link").symlink_to(outside)
    sweep(disk)
    assert names(disk) == {"reelzero-other", f"{PREFIX}file", f"{PREFIX}link"}
    assert names(outside) == {"keep"}


def test_a_sweep_of_a_disk_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    sweep(tmp_path / "absent")


def test_a_folder_that_a_sweep_removed_before_its_lock_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = scratch._lock
    raced: list[Path] = []

    def slow(path: Path) -> int | None:
        if not raced:
            raced.append(path)
            path.rmdir()
        return lock(path)

    monkeypatch.setattr(scratch, "_lock", slow)
    with job_folder(tmp_path) as folder:
        assert folder not in raced
        assert names(tmp_path) == {folder.name}
