"""Keep the texts that a loaded model has encoded, so that the same prompt is encoded once.

A cache belongs to one pipeline in memory, so no other model or revision sees it. It lies in the memory of the
host: that of the GPU is for the video.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from eventing.contract.records.models import GenerationSpec

LIMIT = 512 << 20  # bytes; a prompt takes 2 MB of CogVideoX, 4 MB of Wan, 385 MB of LTX-2
NEGATIVE = "negative_"  # the names of the embeddings of a negative prompt begin so
Tensors = Mapping[str, Any]  # tensors or None, by keyword of the pipeline
Encode = Callable[[Tensors], dict[str, Any]]  # encodes what is not among these tensors; returns all


@dataclass(frozen=True)
class Kept:
    """The embeddings of one text. `pinned` ones are never dropped."""

    tensors: Tensors
    size: int
    pinned: bool


class Embeddings:
    """Encoded texts, the latest used last. Drops the oldest where all would be larger than LIMIT.

    The embeddings of `negative` stay: requests without a negative prompt have this one.
    """

    def __init__(self, negative: str) -> None:
        self._negative = negative
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    @property
    def size(self) -> int:
        """Return the bytes of all tensors."""
        return sum(one.size for one in self._kept.values())

    def encoded(
        self, spec: GenerationSpec, form: str, device: torch.device, encode: Encode
    ) -> dict[str, Any]:
        """Return the embeddings of a spec's texts on a device. Calls `encode` if a text is not kept.

        `form` says what else shapes them: their precision, and the tokens after which a text is cut.
        """
        texts = texts_of(spec)
        keys = {side: _key(side, form, text) for side, text in texts.items()}
        known = {side: self._find(key, device) for side, key in keys.items()}
        tensors = {name: tensor for part in known.values() for name, tensor in (part or {}).items()}
        if None not in known.values():
            return tensors
        everything = encode(tensors)
        for side, text in texts.items():
            if known[side] is None:
                own = {name: tensor for name, tensor in everything.items() if _side_of(name) == side}
                self._keep(keys[side], own, pinned=side == NEGATIVE and text == self._negative)
        return everything

    def _find(self, key: str, device: torch.device) -> Tensors | None:
        if (kept := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        return _copied(kept.tensors, device)

    def _keep(self, key: str, tensors: Tensors, pinned: bool) -> None:
        size = sum(tensor.nbytes for tensor in tensors.values() if tensor is not None)
        if self._make_room(size):
            self._kept[key] = Kept(_copied(tensors, torch.device("cpu")), size, pinned)

    def _make_room(self, size: int) -> bool:
        """Drop the oldest until `size` bytes fit. Drop nothing, and return False, if they cannot fit."""
        pinned = sum(kept.size for kept in self._kept.values() if kept.pinned)
        if pinned + size > LIMIT:
            return False
        for key in [key for key, kept in self._kept.items() if not kept.pinned]:
            if self.size + size <= LIMIT:
                break
            del self._kept[key]
        return True


def texts_of(spec: GenerationSpec) -> dict[str, str]:
    """Return the texts that a spec has encoded, by the beginning of the names of their embeddings."""
    return {"": spec.prompt} | ({NEGATIVE: spec.negative_prompt} if spec.guidance_scale > 1 else {})


def _side_of(name: str) -> str:
    return NEGATIVE if name.startswith(NEGATIVE) else ""


def _key(side: str, form: str, text: str) -> str:
    """Return a digest, so that the cache holds no prompt."""
    return hashlib.sha256(f"{side}\n{form}\n{text}".encode()).hexdigest()


def _copied(tensors: Tensors, device: torch.device) -> dict[str, Any]:
    """Copy tensors, so that nothing that a pipeline does to its own reaches the next job."""
    return {
        name: None if tensor is None else tensor.to(device, copy=True) for name, tensor in tensors.items()
    }
