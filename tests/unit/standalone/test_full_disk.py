"""The data directory on a full disk: one line that says so, and no half file."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest

from eventing.contract.errors import ConfigurationError
from eventing.standalone.data.data_dir import open_data_dir
from eventing.standalone.data.files import LogFile, write_private
from tests.support.disks import small_disk

SIZE = 1 << 20


def test_a_data_directory_on_a_full_disk_cannot_be_used(tmp_path: Path) -> None:
    with small_disk(tmp_path, SIZE) as disk:
        with disk.full(), pytest.raises(ConfigurationError, match="cannot be used: No space left on device"):
            with open_data_dir(disk.path / "data"):
                pass
        with open_data_dir(disk.path / "data"):
            pass  # nothing is left that hinders the next


def test_a_private_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path, SIZE) as disk:
        write_private(disk.path / "secret", "old")
        with disk.full(), pytest.raises(OSError, match="No space left") as raised:
            write_private(disk.path / "secret", "new" * 4096)
        assert raised.value.errno == errno.ENOSPC
        assert disk.files() == ["secret"]
        assert (disk.path / "secret").read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.Logger("full")
    log.addHandler(LogFile("/dev/full"))
    log.warning("one")
    log.warning("two")
    assert capsys.readouterr().err == (
        "reelzero: the log /dev/full cannot be written: [Errno 28] No space left on device\n"
    )
