"""Copy a trained model into the predictor's package: `python -m training.install FOLDER/model`.

The README.md in the target stays, and so does the transformer that continues pictures. `--picture` replaces
only that one.
"""

import argparse
import shutil
from pathlib import Path

from training.evaluate import MODEL
from training.network.pipeline import write_sums

LIMIT = 20_000_000
PICTURE = "picture"
KEPT = ("README.md", PICTURE)


def install(source: Path, target: Path) -> int:
    """Replace the model in `target`, keep what is not its own, and return the size of all files in bytes."""
    for path in target.iterdir() if target.exists() else ():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(source, target, dirs_exist_ok=True)
    return finished(target)


def install_picture(source: Path, target: Path) -> int:
    """Replace the transformer that continues pictures, and return the size of all files in bytes."""
    shutil.copytree(source / "transformer", target / PICTURE, dirs_exist_ok=True)
    shutil.copy(target / "transformer" / "config.json", target / PICTURE)  # equal, but for a path of training
    return finished(target)


def finished(target: Path) -> int:
    """Write the check sums and return the size of all files in bytes."""
    write_sums(target)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def main() -> None:
    """Read the arguments and install."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--picture", action="store_true", help="replace the one that continues pictures")
    parser.add_argument("--target", type=Path, default=MODEL)
    arguments = parser.parse_args()
    size = (install_picture if arguments.picture else install)(arguments.source, arguments.target)
    if size > LIMIT:
        raise SystemExit(f"the model takes {size} bytes, more than the {LIMIT} allowed")
    print(f"{arguments.target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
