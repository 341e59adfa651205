"""Refuse prompts that contain a listed word: REELZERO_CHECKS=word_check, WORDS_FILE=/etc/words.txt."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

WORDS = frozenset(Path(os.environ["WORDS_FILE"]).read_text(encoding="utf-8").lower().split())


def check_request(spec: Any) -> str | None:
    """Return the first listed word of the prompt as the reason."""
    for word in re.findall(r"\w+", spec.prompt.lower()):
        if word in WORDS:
            return f"the word {word} is not allowed here"
    return None
