"""Check a diffusers model folder file by file before anything heavy reads it.

The predictor checks before it loads, and the one-machine edition before it takes a job. An error of diffusers
names a class or a tensor; an operator needs the file. Only safetensors are accepted, because pickled weights
can run code. A safetensors file starts with a little-endian u64, the length of the JSON object that follows.
Its `data_offsets` count from the end of that object (safetensors format 0.x).
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from eventing.contract.errors import ModelUnavailable

HEADER_LIMIT = 100_000_000  # bytes; the format's own limit
WEIGHTS = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}
TOKENIZERS = ("tokenizer.json", "spiece.model", "sentencepiece.bpe.model", "vocab.json")
BYTES = ("ByT5Tokenizer", "ByT5TokenizerFast")  # tokenizers of bytes, which have no file of words
# Components without weights, by the end of their class: one of these files is what the loader reads.
SETTINGS = {
    "Scheduler": ("scheduler_config.json",),
    "Guidance": ("guider_config.json",),
    "ImageProcessor": ("preprocessor_config.json", "processor_config.json"),
    "ImageProcessorFast": ("preprocessor_config.json", "processor_config.json"),
    "ImageProcessorPil": ("preprocessor_config.json", "processor_config.json"),
    "FeatureExtractor": ("preprocessor_config.json",),
    "Processor": ("processor_config.json", "preprocessor_config.json"),
}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")  # of a file or folder inside the model's own folder


def check_folder(folder: Path) -> None:
    """Check every component that `model_index.json` names. Raises ModelUnavailable naming the file."""
    try:
        _check_folder(folder)
    except OSError as error:  # such as a folder that this user may not enter
        raise ModelUnavailable(f"{error.filename or folder} cannot be read: {error.strerror}") from error


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelUnavailable(f"model folder {folder} is missing")
    index = folder / "model_index.json"
    for name, kind in read_object(index).items():
        if name.startswith("_") or not isinstance(kind, list) or kind == [None, None]:
            continue  # notes, options, and components that the model does without
        if not (len(kind) == 2 and all(isinstance(part, str) for part in kind)):
            raise ModelUnavailable(f'{index} is wrong: {_quoted(name)} must be ["library", "class"]')
        _check_component(folder / _plain_name(name, index), kind[0], kind[1])


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises ModelUnavailable naming it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{path} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises ModelUnavailable naming it."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise ModelUnavailable(f"{path} is not a JSON object")
    return value


def check_safetensors(path: Path) -> None:
    """Compare a file's length with what its header promises. Raises ModelUnavailable naming the file."""
    try:
        size = path.stat().st_size
        expected = _promised_size(path)
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{path} is missing") from error
    except (OSError, ValueError, TypeError, RecursionError, struct.error) as error:
        raise ModelUnavailable(f"{path} is corrupt: its header cannot be read") from error
    if size != expected:
        raise ModelUnavailable(
            f"{path} is corrupt or incomplete: {size} bytes where its header says {expected}"
        )


def _check_component(folder: Path, library: str, kind: str) -> None:
    if not folder.is_dir():
        raise ModelUnavailable(f"model component {folder} is missing")
    if kind.endswith(("Tokenizer", "TokenizerFast", "TokenizersBackend")):
        _check_tokenizer(folder, kind)
    elif names := next((names for end, names in SETTINGS.items() if kind.endswith(end)), None):
        _check_settings(folder, names)
    else:
        read_object(folder / "config.json")
        # A library that is not known is a module of diffusers, such as that of one pipeline.
        _check_weights(folder / WEIGHTS.get(library, WEIGHTS["diffusers"]))


def _check_settings(folder: Path, names: tuple[str, ...]) -> None:
    present = [name for name in names if (folder / name).is_file()]
    read_object(folder / (present or names)[0])


def _check_tokenizer(folder: Path, kind: str) -> None:
    read_object(folder / "tokenizer_config.json")
    if kind in BYTES:
        return
    files = [name for name in TOKENIZERS if (folder / name).is_file()]
    if not files:
        raise ModelUnavailable(f"{folder} has no tokenizer: one of {', '.join(TOKENIZERS)} is missing")
    if "tokenizer.json" in files:
        read_object(folder / "tokenizer.json")


def _check_weights(single: Path) -> None:
    """Check one file, or the shards that an index beside it names."""
    index = single.with_name(single.name + ".index.json")
    if not index.is_file():
        check_safetensors(single)
        return
    shards = read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelUnavailable(f"{index} names no shards")
    for shard in sorted({_plain_name(shard, index) for shard in shards.values()}):
        check_safetensors(single.with_name(shard))


def _plain_name(name: Any, index: Path) -> str:
    """Return a name that an index lists if it can only be inside the model's folder."""
    if isinstance(name, str) and NAME.fullmatch(name) and ".." not in name:
        return name
    raise ModelUnavailable(f"{index} is wrong: {_quoted(name)} is not the plain name of a file or folder")


def _quoted(value: Any) -> str:
    """Show a value of any shape in a message: ASCII, and short."""
    return json.dumps(value)[:60]


def _promised_size(path: Path) -> int:
    """Return the file length in bytes that a header promises. Raises what check_safetensors catches."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length)) if length <= HEADER_LIMIT else None
    if not isinstance(header, dict):
        raise TypeError("the header is not a JSON object")
    tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
    return 8 + int(length) + max((_end(tensor) for tensor in tensors), default=-1)


def _end(tensor: Any) -> int:
    offsets = tensor.get("data_offsets") if isinstance(tensor, dict) else None
    if isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets):
        return int(offsets[1])
    raise ValueError("a tensor has no data_offsets")
