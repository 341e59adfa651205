"""`python -m config.lock`: write requirements.lock, constraints.txt with hashes, and without torch.

torch 2.13.0 is a different file for each kind of device, and some are in no index (2.13.0+cpu). With hashes,
pip would always take the index's CUDA build. So torch has a version in constraints.txt and no hash.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
HEAD = """\
# The versions of constraints.txt with the hashes of all their files. Made by: make hashes
# pip install --require-hashes --no-deps -r requirements.lock
# torch is left out: its file depends on the device. `pip install -c constraints.txt torch` adds it, with the
# CUDA libraries that its build pins, if any.
"""


def main() -> None:
    """Write the lock."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if "==" in line and not line.startswith("torch==")]
    only = markers()
    lock = hashed([pin + only.get(pin.partition("==")[0], "") for pin in pins])
    (ROOT / "requirements.lock").write_text(HEAD + lock)


def markers() -> dict[str, str]:
    """Give the markers of dependencies that pyproject.toml wants on some Pythons only, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for extra in project["optional-dependencies"].values() for text in extra]
    return {one.name: f" ; {one.marker}" for one in wanted if one.marker}


def hashed(constraints: list[str]) -> str:
    """Give each constraint with the hashes of all its files in the index. uv asks the index."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.txt"), Path(folder, "out.txt")
        source.write_text("\n".join(constraints))
        command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", str(source)]
        command += ["--output-file", str(target), "--generate-hashes", "--no-deps", "--universal"]
        command += ["--quiet", "--no-header", "--no-annotate", "--no-config"]
        subprocess.run(command, check=True)  # noqa: S603 -- uv, and names from our own file
        return target.read_text()


if __name__ == "__main__":
    main()
