"""Copy a trained model into the predictor's package: `python -m training.install FOLDER/model`.

The README.md in the target stays.
"""

import argparse
import shutil
from pathlib import Path

from training.evaluate import MODEL
from training.pipeline import write_sums

LIMIT = 15_000_000


def install(source: Path, target: Path) -> int:
    """Replace the model in `target`, keep its README.md, and return the size of all files in bytes."""
    card = target / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else None
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    if text is not None:
        card.write_text(text, encoding="utf-8")
    write_sums(target)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def main() -> None:
    """Read the arguments and install."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--target", type=Path, default=MODEL)
    arguments = parser.parse_args()
    size = install(arguments.source, arguments.target)
    if size > LIMIT:
        raise SystemExit(f"the model takes {size} bytes, more than the {LIMIT} allowed")
    print(f"{arguments.target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
