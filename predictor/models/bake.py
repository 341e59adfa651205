"""Write a model's folder in the form that loads fastest: `python -m predictor.models.bake FOLDER`.

REELZERO_MODEL names the model and REELZERO_MODEL_DIR its weights, as for a predictor. The folder gets each
component in the precision it has in memory, in one file whose tensors are in the model's order, tokenizers as
tokenizer.json, and SHA256SUMS. It makes the same frames. A folder is whole or not there: it is written beside
its place under another name, and renamed at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.env import read
from eventing.contract.errors import ModelUnavailable, ReelzeroError
from eventing.contract.storage.checksums import LOCK, write_lock
from eventing.contract.storage.weights import check_folder
from predictor.models.families import find_family
from predictor.models.loading import find_folder
from predictor.models.memory import load_pipeline
from predictor.settings import PredictorSettings

ONE_FILE = "100TB"  # more than a component has


def bake(entry: CatalogEntry, settings: PredictorSettings, folder: Path) -> int:
    """Write the folder of a model and return how many files it has. Raises ModelUnavailable, OSError."""
    if folder.exists():
        raise ModelUnavailable(f"{folder} exists: name a folder that does not")
    source, _ = find_folder(entry, settings)
    check_folder(source)
    if not hasattr(find_family(entry, settings.family_modules()), "PIPELINES"):
        raise ModelUnavailable(f"{entry.name} is not a diffusers pipeline and cannot be baked")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _write(load_pipeline(entry, settings, source, "cpu"), source, part)
        check_folder(part)
        count = write_lock(part)
        _to_disk(part)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return count


def _write(pipeline: Any, source: Path, part: Path) -> None:
    """Write the components, and copy what the pipeline does not know, such as a licence."""
    part.mkdir(parents=True)
    pipeline.pipe.save_pretrained(part, safe_serialization=True, max_shard_size=ONE_FILE)
    for path in source.iterdir():
        if path.name.startswith(".") or path.name == LOCK or (part / path.name).exists():
            continue
        copy = shutil.copytree if path.is_dir() else shutil.copy2
        copy(path, part / path.name)


def _to_disk(part: Path) -> None:
    """Wait until every file is on the disk: the rename must not outlive them in a crash."""
    for path in part.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m predictor.models.bake", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the model is written")
    folder: Path = parser.parse_args().folder.absolute()
    try:
        settings = read(PredictorSettings)
        count = bake(load_catalog(settings.catalog_dir).get(settings.model), settings, folder)
    except ReelzeroError as error:
        sys.exit(error.message)
    except OSError as error:
        sys.exit(f"{folder} cannot be written: {error}")
    print(f"{folder}: {count} files")


if __name__ == "__main__":
    main()
