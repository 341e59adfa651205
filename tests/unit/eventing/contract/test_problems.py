"""The catalogue of errors: every code that an answer can have is in it, with its status and in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from eventing.contract import errors
from eventing.contract.problems import catalogue

ROOT = Path(__file__).parents[4]
WRITTEN = re.compile(
    r"Failure\(\s*code=\"(\w+)\"|^\s+code = \"([a-z]+_[a-z_]+)\"|else \"(\w+_\w+)\"\)$"
    r"|code or \"(\w+)\"",
    re.MULTILINE,
)
NO_ERRORS = {"encode_prompt", "encode_video", "engine_queue"}


def kinds(kind: type[errors.ReelzeroError]) -> Iterator[type[errors.ReelzeroError]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from kinds(derived)


def test_every_error_is_in_the_catalogue_with_its_status() -> None:
    entries = catalogue()
    for kind in kinds(errors.ReelzeroError):
        assert kind.code in entries, f"{kind.__name__}: add {kind.code} to eventing/contract/problems.py"
    assert (entries["invalid_request"].status, entries["invalid_request"].retryable) == (422, False)
    assert (entries["too_many_requests"].status, entries["too_many_requests"].retryable) == (429, True)
    assert (entries["unavailable"].status, entries["busy"].status) == (503, 503)
    assert (entries["generation_failed"].status, entries["generation_failed"].retryable) == (500, True)


def test_every_code_that_is_written_out_is_in_the_catalogue() -> None:
    sources = [*(ROOT / "eventing").rglob("*.py"), *(ROOT / "predictor").rglob("*.py")]
    codes = {
        code for path in sources for match in WRITTEN.findall(path.read_text()) for code in match if code
    }
    assert {"predictor_lost", "lease_lapsed", "attempts_exhausted"} <= codes
    assert codes - NO_ERRORS <= set(catalogue())


def test_every_entry_is_in_sentences_and_in_order() -> None:
    entries = catalogue()
    assert list(entries) == sorted(entries)
    for entry in entries.values():
        assert entry.meaning.endswith(".") and entry.remedy.endswith("."), entry.code
