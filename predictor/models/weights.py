"""Check a diffusers model folder file by file, before anything heavy reads it.

What diffusers says about a broken folder names a class or a tensor; an operator needs the file. Only
safetensors are accepted: pickled weights can run code. Layout of the header: a little-endian u64 with the
length of a JSON object that follows, whose `data_offsets` count from its end (safetensors format 0.x).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from eventing.contract.errors import ModelUnavailable

HEADER_LIMIT = 100_000_000  # the format's own limit, in bytes
WEIGHTS = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}
TOKENIZERS = ("tokenizer.json", "spiece.model", "sentencepiece.bpe.model", "vocab.json")


def check_folder(folder: Path) -> None:
    """Check every component that `model_index.json` names. Raises ModelUnavailable naming the file."""
    if not folder.is_dir():
        raise ModelUnavailable(f"model folder {folder} is missing")
    index = read_json(folder / "model_index.json")
    if not isinstance(index, dict):
        raise ModelUnavailable(f"{folder / 'model_index.json'} is not a JSON object")
    for name, kind in index.items():
        if not name.startswith("_") and isinstance(kind, list) and kind[0] is not None:
            _check_component(folder / name, str(kind[0]), str(kind[1]))


def read_json(path: Path) -> Any:
    """A JSON file's value. Raises ModelUnavailable naming the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}") from error


def _check_component(folder: Path, library: str, kind: str) -> None:
    if not folder.is_dir():
        raise ModelUnavailable(f"model component {folder} is missing")
    if kind.endswith(("Tokenizer", "TokenizerFast", "TokenizersBackend")):
        _check_tokenizer(folder)
    elif kind.endswith("Scheduler"):
        read_json(folder / "scheduler_config.json")
    elif library in WEIGHTS:
        read_json(folder / "config.json")
        _check_weights(folder / WEIGHTS[library])


def _check_tokenizer(folder: Path) -> None:
    read_json(folder / "tokenizer_config.json")
    found = [name for name in TOKENIZERS if (folder / name).is_file()]
    if not found:
        raise ModelUnavailable(f"{folder} has no tokenizer: one of {', '.join(TOKENIZERS)} is missing")
    if "tokenizer.json" in found:
        read_json(folder / "tokenizer.json")


def _check_weights(single: Path) -> None:
    """One file, or the shards that an index beside it names."""
    index = single.with_name(single.name + ".index.json")
    if not index.is_file():
        return check_safetensors(single)
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelUnavailable(f"{index} names no shards")
    for shard in sorted(set(shards.values())):
        check_safetensors(single.with_name(shard))
    return None


def check_safetensors(path: Path) -> None:
    """Compare a file's length with what its header promises. Raises ModelUnavailable naming the file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(length)) if length <= HEADER_LIMIT else {}
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{path} is missing") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise ModelUnavailable(f"{path} is corrupt: its header cannot be read") from error
    expected = 8 + length + max(ends, default=-1)
    if size != expected:
        raise ModelUnavailable(
            f"{path} is corrupt or incomplete: {size} bytes where its header says {expected}"
        )
