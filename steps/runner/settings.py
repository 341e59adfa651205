"""Read the settings of a runner from its environment."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
EXAMPLE = '{"align": ["align", "{inputs}/speech", "{outputs}/words"]}'


@dataclass(frozen=True)
class Settings:
    """What a runner runs, and where."""

    commands: Mapping[str, list[str]]
    host: str
    port: int
    slots: int
    scratch: Path
    cache: Path
    cache_bytes: int
    output_bytes: int
    token: str


def read(env: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises SystemExit that names the wrong variable."""
    scratch = Path(env.get("REELZERO_SCRATCH_DIR") or tempfile.gettempdir())
    return Settings(
        commands=_commands(env.get("REELZERO_STEPS", "")),
        host=env.get("REELZERO_RUNNER_HOST", "0.0.0.0"),  # noqa: S104 - a pod's own address is not known
        port=_number(env, "PORT", 8080, 0),
        slots=_number(env, "REELZERO_SLOTS", 1, 1),
        scratch=scratch,
        cache=Path(env.get("REELZERO_CACHE_DIR") or scratch / "reelzero-cache"),
        cache_bytes=_number(env, "REELZERO_CACHE_BYTES", 4 * GIB, 0),
        output_bytes=_number(env, "REELZERO_OUTPUT_BYTES", 16 * GIB, 1),
        token=env.get("REELZERO_PREDICTOR_TOKEN", ""),
    )


def _commands(text: str) -> dict[str, list[str]]:
    try:
        commands = json.loads(text)
        right = bool(commands) and all(_is_command(words) for words in commands.values())
    except (ValueError, AttributeError):
        right = False
    if not right:
        raise SystemExit(
            'REELZERO_STEPS: must be like {"align": ["align", "{inputs}/speech", "{outputs}/words"]}'
        )
    return {name: list(words) for name, words in commands.items()}


def _is_command(words: object) -> bool:
    return isinstance(words, list) and bool(words) and all(isinstance(word, str) for word in words)


def _number(env: Mapping[str, str], name: str, usual: int, least: int) -> int:
    text = env.get(name) or str(usual)
    if not text.isdecimal() or int(text) < least:
        raise SystemExit(f"{name}: must be a whole number from {least}, not {text!r}")
    return int(text)
