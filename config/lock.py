"""`python -m config.lock [FOLDER]`: write requirements.lock, the hashes of every version in constraints.txt.

uv asks the index. FOLDER holds wheels that the index does not have, such as torch 2.13.0+cpu. Their hashes
are added to those of the index, so that one lock fits machines with either build.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """\
# The versions of constraints.txt with the hashes of their files. Made by: make hashes
# pip install --require-hashes --no-deps -r requirements.lock
# With torch's CPU build it works without --no-deps too. torch's CUDA build pins CUDA libraries that are not
# in this file: a second `pip install -c constraints.txt` adds them.
"""


def main() -> None:
    """Write the lock."""
    wheels = [wheel for folder in sys.argv[1:] for wheel in sorted(Path(folder).glob("*.whl"))]
    lock = with_local_files(hashed(ROOT / "constraints.txt"), wheels)
    (ROOT / "requirements.lock").write_text(HEAD + lock)


def hashed(constraints: Path) -> str:
    """Give each constraint with the hashes of all its files in the index."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "lock")
        command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", str(constraints)]
        command += ["--output-file", str(target), "--generate-hashes", "--no-deps", "--universal"]
        command += ["--quiet", "--no-header", "--no-annotate", "--no-config"]
        subprocess.run(command, check=True)  # noqa: S603 -- uv, and names from our own file
        return target.read_text()


def with_local_files(lock: str, wheels: list[Path]) -> str:
    """Add the hash of each local wheel to its package."""
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        entry = f"\n{name}=={version.partition('+')[0]} \\\n"
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lock = lock.replace(entry, f"{entry}    --hash=sha256:{digest} \\\n")
    return lock


if __name__ == "__main__":
    main()
