"""The data directory: one process at a time, private secrets, and what is left by one that was killed."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url
from standardwebhooks import Webhook

from eventing.contract.errors import ConfigurationError
from eventing.standalone.data.data_dir import InUse, open_data_dir
from eventing.standalone.data.files import LogFile, read_json, write_private
from eventing.standalone.processes.process import Process


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_private(tmp_path: Path) -> None:
    with open_data_dir(tmp_path / "a" / "b") as data:
        assert mode(data.path) == 0o700
        assert data.logs.is_dir()


def test_what_was_open_to_others_is_closed_whatever_the_umask(tmp_path: Path) -> None:
    folder, before = tmp_path / "data", os.umask(0)
    try:
        for name in ("s3/data", "logs", "models/tiny"):
            (folder / name).mkdir(parents=True)
            (folder / name / "file").touch()
        for name in ("reelzero.db", "reelzero.db-wal", "secrets.json", "lock", "of-another-program"):
            (folder / name).touch()
        (folder / "models" / "link").symlink_to(tmp_path)
        outside = mode(tmp_path)
        with open_data_dir(folder) as data:
            data.remember_port(1)
            data.webhook_secret()
            LogFile(data.log).close()
            paths = [data.path, *data.path.rglob("*")]
            open_to_others = {path.name for path in paths if not path.is_symlink() and mode(path) & 0o077}
    finally:
        os.umask(before)
    assert open_to_others == {"of-another-program"}
    assert mode(tmp_path) == outside


def test_a_folder_for_all_users_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigurationError, match="choose a folder of its own"), open_data_dir(tmp_path):
        pass
    assert mode(tmp_path) == 0o1777


@pytest.mark.parametrize("name", ["100%", "a?mode=ro", "b#c", "d e"])
def test_the_database_lies_inside_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    with open_data_dir(tmp_path / name) as data:
        assert make_url(data.database_url).database == str(tmp_path / name / "reelzero.db")


async def test_what_child_processes_write_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        code = f"open({str(tmp_path / 'file')!r}, 'w')"
        child = await Process.start([sys.executable, "-c", code], tmp_path / "log")
        assert await child.wait() == 0
    finally:
        os.umask(before)
    assert (mode(tmp_path / "file"), mode(tmp_path / "log")) == (0o600, 0o600)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as data:
        with pytest.raises(InUse, match=f"is used by process {os.getpid()}: stop it, or choose another"):
            with open_data_dir(tmp_path):
                pass
        data.announce("http://127.0.0.1:1")
        with pytest.raises(InUse, match=r"and serves http://127\.0\.0\.1:1: stop it") as told:
            with open_data_dir(tmp_path):
                pass
        assert told.value.holder.url == "http://127.0.0.1:1"
    with open_data_dir(tmp_path):
        pass


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used: Not a directory"):
        with open_data_dir(tmp_path / "file" / "data"):
            pass


def test_the_secret_signs_stays_and_is_private(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as data:
        secret = data.webhook_secret()
        assert data.webhook_secret() == secret
        assert secret.startswith("whsec_")
        Webhook(secret)
        assert mode(tmp_path / "secrets.json") == 0o600


def test_the_port_is_remembered(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as data:
        assert data.last_port() is None
        data.remember_port(1234)
        assert data.last_port() == 1234


def test_scratch_of_a_killed_process_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "reelzero-x").mkdir(parents=True)
    with open_data_dir(tmp_path):
        assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "\x00"])
def test_a_broken_file_reads_as_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    assert read_json(tmp_path / "f") == {}
    assert read_json(tmp_path / "none") == {}


def test_a_private_file_replaces_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old, and longer")
    write_private(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
