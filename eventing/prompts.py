"""Say at submission what the model will not see of a request, as far as its files are on this machine.

Those of the model in the box are: its vocabulary and its tokenizer. On one machine `learn` adds the
tokenizers in the folders of weights. The tokenizers library comes with the predictor. For other models tokens
are counted by a rule of thumb, and the predictor says the exact number with the result.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eventing.contract.catalog import Catalog, CatalogEntry
from eventing.contract.prompts import Reading, Vocabulary, prompt_warnings
from eventing.contract.records.models import GenerationSpec
from eventing.contract.storage.weights import read_object
from eventing.contract.unseen import unseen

# Bytes of a tokenizer.json that is kept in memory. It takes twenty times its size there: 290 MB for 14 MB.
TOKENIZER_LIMIT = 4 << 20
log = logging.getLogger(__name__)


class Prompts:
    """What the models of a catalog read of a request."""

    def __init__(self, catalog: Catalog) -> None:
        self._entries = {entry.name: entry for entry in catalog.entries()}
        self._learnt: dict[str, tuple[Path, _Reader]] = {}

    def warnings(self, spec: GenerationSpec) -> tuple[str, ...]:
        """Return one warning for each input that has no effect."""
        entry = self._entries.get(spec.model)
        if entry is None:
            return unseen(spec)
        return unseen(spec) + self._reader(entry).warnings(spec.prompt, entry)

    def unknown_words(self, spec: GenerationSpec) -> tuple[str, ...]:
        """Return the parts of the prompt that have no effect, as far as the model's files are here."""
        entry = self._entries.get(spec.model)
        return self._reader(entry).unknown(spec.prompt) if entry else ()

    def learn(self, folders: Mapping[str, Path]) -> None:
        """Read the tokenizers in these folders of weights, by model, unless they are known. Blocks."""
        for model, folder in folders.items():
            if self._learnt.get(model, (None, None))[0] != folder:
                self._learnt[model] = folder, _read(folder) or _Reader()

    def _reader(self, entry: CatalogEntry) -> _Reader:
        if entry.name in self._learnt:
            return self._learnt[entry.name][1]
        return (_bundled(entry.bundled) if entry.bundled else None) or _Reader()


@dataclass(frozen=True)
class _Reader:
    """The files that tell what a model reads; each may be missing."""

    vocabulary: Vocabulary | None = None
    tokenizer: Any = None
    unknown_id: int | None = None

    def warnings(self, prompt: str, entry: CatalogEntry) -> tuple[str, ...]:
        return prompt_warnings(prompt, entry.max_prompt_tokens, self._reading(prompt), self.vocabulary)

    def unknown(self, prompt: str) -> tuple[str, ...]:
        if self.vocabulary:
            return tuple(self.vocabulary.unknown(prompt))
        reading = self._reading(prompt)
        return reading.unknown if reading else ()

    def _reading(self, prompt: str) -> Reading | None:
        if self.tokenizer is None:
            return None
        return Reading.of(prompt, self.tokenizer.encode(prompt), self.unknown_id)


@cache
def _bundled(name: str) -> _Reader | None:
    """Return the reader of a model in the box; None where the predictor's files are not installed."""
    spec = find_spec("predictor")
    folders = spec.submodule_search_locations if spec else None
    return _read(Path(folders[0]) / "assets" / name) if folders else None


def _read(folder: Path) -> _Reader | None:
    """Return the reader in a folder of weights; None if its files cannot be used."""
    try:
        vocabulary, tokenizer = Vocabulary.read(folder), _tokenizer(folder / "tokenizer" / "tokenizer.json")
        unknown = _unknown_token(folder / "tokenizer") if tokenizer else None
    except Exception as error:  # the library raises nothing narrower
        log.warning("prompts are not checked with the files in %s: %s", folder, error)
        return None
    return _Reader(vocabulary, tokenizer, tokenizer.token_to_id(unknown) if unknown else None)


def _tokenizer(path: Path) -> Any:
    """Return the tokenizer in a file, without its padding and its limit; None if it cannot be used here."""
    if not path.is_file() or path.stat().st_size > TOKENIZER_LIMIT or find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer  # noqa: PLC0415 - not installed everywhere

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _unknown_token(folder: Path) -> str | None:
    """Return the text of the token for what has none of its own. Raises ModelUnavailable."""
    path = folder / "tokenizer_config.json"
    token = read_object(path).get("unk_token") if path.is_file() else None
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None
