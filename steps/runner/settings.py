"""Read the settings of a runner from its environment."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union
from urllib.parse import urlsplit

GIB = 1 << 30
EXAMPLE = '{"align": ["align", "{inputs}/speech", "{outputs}/words"]}'
OTHER = '{"align": {"url": "http://aligner:8000/align"}}'
How = Union[list[str], str]  # noqa: UP007 - evaluated; the words of a command, or the address of a service


@dataclass(frozen=True)
class Settings:
    """What a runner runs, and where."""

    commands: Mapping[str, How]
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


def _commands(text: str) -> dict[str, How]:
    try:
        commands = {name: _how(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        commands = {}
    if not commands or not all(commands.values()):
        raise SystemExit(f"REELZERO_STEPS: must be like {EXAMPLE} or {OTHER}")
    return {name: how for name, how in commands.items() if how}


def _how(value: object) -> How | None:
    """Return a command or an address; None for anything else."""
    if isinstance(value, dict) and value.keys() == {"url"}:
        url = value["url"]
        parts = urlsplit(url) if isinstance(url, str) else None
        return url if parts and parts.scheme in ("http", "https") and parts.hostname else None
    is_command = isinstance(value, list) and all(isinstance(word, str) for word in value)
    return list(value) if isinstance(value, list) and is_command and value else None


def _number(env: Mapping[str, str], name: str, usual: int, least: int) -> int:
    text = env.get(name) or str(usual)
    if not text.isdecimal() or int(text) < least:
        raise SystemExit(f"{name}: must be a whole number from {least}, not {text!r}")
    return int(text)
