"""`reelzero models`: weights are compared with the checksums beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eventing.cli import app
from predictor.models.loading import ASSETS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ASSETS / "shapes-tiny", tmp_path / "weights"))


def verify(folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["models", "verify", str(folder)])
    return result.exit_code, result.output


def test_the_model_in_the_box_is_as_its_checksums_say(folder: Path) -> None:
    assert verify(folder) == (0, f"{folder}: every file is as SHA256SUMS says\n")


def test_files_that_are_changed_missing_or_new_are_named(folder: Path) -> None:
    weights = folder / "vae/diffusion_pytorch_model.safetensors"
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1  # the length stays, so that only the checksum tells
    weights.write_bytes(body)
    (folder / "README.md").unlink()
    (folder / "stray.json").write_text("{}")
    status, output = verify(folder)
    assert status == 1
    assert f"{weights} has another checksum than SHA256SUMS says" in output
    assert f"{folder / 'README.md'} is missing" in output
    assert f"{folder / 'stray.json'} is not in SHA256SUMS" in output


@pytest.mark.parametrize("line", ["no checksum", "0" * 64 + "  ../up", "0" * 64 + "  /etc/passwd"])
def test_a_lock_that_is_wrong_is_named_with_its_line(folder: Path, line: str) -> None:
    (folder / "SHA256SUMS").write_text(line + "\n")
    status, output = verify(folder)
    assert status == 1
    assert f"{folder / 'SHA256SUMS'}: line 1 must be" in output


def test_a_lock_that_is_missing_is_written_on_command(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()
    status, output = verify(folder)
    assert (status, "reelzero models lock" in output) == (1, True)
    assert CliRunner().invoke(app, ["models", "lock", str(folder)]).exit_code == 0
    assert verify(folder)[0] == 0


def test_a_lock_of_another_program_may_have_hidden_files_and_dots(folder: Path) -> None:
    lock = folder / "SHA256SUMS"
    (folder / ".gitattributes").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    lock.write_text(lock.read_text().replace("  ", "  ./") + f"{empty}  ./.gitattributes\n")
    assert verify(folder) == (0, f"{folder}: every file is as SHA256SUMS says\n")


def test_a_file_that_is_missing_hides_no_other_problem(folder: Path) -> None:
    (folder / "model_index.json").unlink()
    (folder / "README.md").write_text("another")
    status, output = verify(folder)
    assert status == 1
    assert f"{folder / 'model_index.json'} is missing" in output
    assert f"{folder / 'README.md'} has another checksum" in output
