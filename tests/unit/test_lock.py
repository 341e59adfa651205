"""pyproject.toml, constraints.txt and requirements.lock name the same packages and versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [
    *PROJECT["dependencies"],
    *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
]
PIN = re.compile(r"^(\S+)==([^\s;]+)")


def pins(name: str) -> dict[str, str]:
    """The version of each package in a file of pins."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and line[0] not in "# "]
    found = [PIN.match(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return {canonicalize_name(match[1]): match[2] for match in found if match}


@pytest.mark.parametrize("text", WANTED)
def test_every_dependency_is_pinned_within_its_limits(text: str) -> None:
    wanted = Requirement(text)
    version = pins("constraints.txt").get(canonicalize_name(wanted.name))
    assert version, f"{wanted.name} is not in constraints.txt: pip install it, add the line, run make hashes"
    assert wanted.specifier.contains(version), (
        f"constraints.txt has {wanted.name} {version}; pyproject: {text}"
    )


def test_the_lock_has_the_versions_of_the_constraints_but_torchs() -> None:
    wanted = {name: version for name, version in pins("constraints.txt").items() if name != "torch"}
    assert pins("requirements.lock") == wanted, "run: make hashes"


def test_every_version_in_the_lock_has_hashes() -> None:
    entries = re.split(r"^(?=\S)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    bare = [
        entry for entry in entries if "==" in entry and not entry.startswith("#") and "sha256:" not in entry
    ]
    assert not bare


def test_torch_is_pinned_as_it_exists_on_every_machine() -> None:
    """An index has no 2.13.0+cpu: it has 2.13.0, whatever it was built for."""
    assert pins("constraints.txt")["torch"] == "2.13.0"
