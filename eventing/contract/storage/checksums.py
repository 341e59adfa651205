"""Compute checksums of files, and compare a folder with its SHA256SUMS, the format of `sha256sum -c`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from eventing.contract.errors import ModelUnavailable

LOCK = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write_lock(folder: Path) -> int:
    """Write the checksums of all files of a folder, and return how many there are. Raises OSError."""
    names = _files(folder)
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in names]
    (folder / LOCK).write_text("".join(lines), encoding="utf-8")
    return len(names)


def compare(folder: Path) -> list[str]:
    """Return what differs from the lock: one sentence for each file. Raises ModelUnavailable, OSError."""
    expected = read_lock(folder / LOCK)
    missing = [name for name in sorted(expected) if not (folder / name).is_file()]
    changed = [
        f"{folder / name} has another checksum than {LOCK} says"
        for name in sorted(expected.keys() - set(missing))
        if sha256_of(folder / name) != expected[name]
    ]
    surplus = [f"{folder / name} is not in {LOCK}" for name in _files(folder) if name not in expected]
    return [f"{folder / name} is missing" for name in missing] + changed + surplus


def read_lock(path: Path) -> dict[str, str]:
    """Return checksum by file name. Raises ModelUnavailable naming the lock and its wrong line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{path} is missing: write it with `reelzero models lock`") from error
    except UnicodeDecodeError as error:
        raise ModelUnavailable(f"{path} is not UTF-8") from error
    matches = [LINE.fullmatch(line) for line in lines]
    for number, match in enumerate(matches, start=1):
        if match is None or not _is_inside(match[2]):
            raise ModelUnavailable(f"{path}: line {number} must be a checksum and the name of a file inside")
    return {Path(match[2]).as_posix(): match[1] for match in matches if match}  # ./a is a


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in Path(name).parts


def _files(folder: Path) -> list[str]:
    """Return the names of all files but the lock and hidden ones, such as notes of huggingface_hub."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    shown = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    return sorted(name.as_posix() for name in shown if name.as_posix() != LOCK)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
