"""Say at submission what the model will not see of a request, as far as its files are on this machine.

Those of the model in the box are: its vocabulary, and its tokenizer where the tokenizers library is
installed, which comes with the predictor. For other models only a prompt with more words than the model reads
tokens is named here; the predictor says the rest with the result.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eventing.contract.catalog import Catalog, CatalogEntry
from eventing.contract.errors import ModelUnavailable
from eventing.contract.models import GenerationSpec
from eventing.contract.prompts import Reading, Vocabulary, prompt_warnings
from eventing.contract.unseen import unseen

log = logging.getLogger(__name__)


class Prompts:
    """What the models of a catalog read of a request."""

    def __init__(self, catalog: Catalog) -> None:
        self._entries = {entry.name: entry for entry in catalog.entries()}

    def warnings(self, spec: GenerationSpec) -> tuple[str, ...]:
        """Return one warning for each input that has no effect."""
        entry = self._entries.get(spec.model)
        if entry is None:
            return unseen(spec)
        reader = (_reader(entry.bundled) if entry.bundled else None) or _Reader(None, None)
        return unseen(spec) + reader.warnings(spec.prompt, entry)


@dataclass(frozen=True)
class _Reader:
    """The files that tell what a model reads; each may be missing."""

    vocabulary: Vocabulary | None
    tokenizer: Any

    def warnings(self, prompt: str, entry: CatalogEntry) -> tuple[str, ...]:
        return prompt_warnings(prompt, entry.max_prompt_tokens, self._read(prompt), self.vocabulary)

    def _read(self, prompt: str) -> Reading | None:
        if self.tokenizer is None:
            return None
        return Reading.of(prompt, self.tokenizer.encode(prompt), None)


@cache
def _reader(bundled: str) -> _Reader | None:
    """Return the reader of a model in the box; None where the predictor's files are not installed."""
    spec = find_spec("predictor")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        return None
    folder = Path(folders[0]) / "assets" / bundled
    try:
        return _Reader(Vocabulary.read(folder), _tokenizer(folder / "tokenizer" / "tokenizer.json"))
    except ModelUnavailable as error:
        log.warning("prompts for %s are not checked at submission: %s", bundled, error)
        return None


def _tokenizer(path: Path) -> Any:
    """Return the tokenizer in a file, without its padding and its limit; None if it cannot be used here."""
    if not path.is_file() or find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer  # noqa: PLC0415 - not installed everywhere

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
