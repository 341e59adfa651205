"""Put the picture files that a request names into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.pictures import FIELDS, SCHEMES, inline


def with_files(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with the files of its pictures inside. Raises InvalidRequest."""
    paths = {name: request[name] for name in FIELDS if not _is_address(request.get(name))}
    return request | {name: _file(name, Path(path)) for name, path in paths.items()}


def _is_address(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(SCHEMES)
    return not isinstance(value, Path)  # what it is instead is named by the check of the request


def _file(name: str, path: Path) -> str:
    option = f"--{name.replace('_', '-')}"
    try:
        return inline(path.read_bytes())
    except OSError as error:
        raise InvalidRequest(
            f"{option}: {path} cannot be read: {error.strerror}; name a picture file or an https:// address",
            field=option,
        ) from error
