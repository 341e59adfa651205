"""Write the request of a step as a form (multipart/form-data), without any file in memory as a whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from steps.runner.kinds import kind_of

BLOCK = 1 << 20
PARAMETERS = "parameters"
OCTETS = "application/octet-stream"


class Form:
    """The parameters as JSON, and each file of an input as a part with the input's name, in their order."""

    def __init__(self, parameters: Path, inputs: Path) -> None:
        self._boundary = uuid.uuid4().hex
        self._parts = [(self._head(PARAMETERS, "application/json"), parameters)]
        for path in sorted(inputs.iterdir()):
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            self._parts += [(self._head(path.name, kind_of(file) or OCTETS), file) for file in files]
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of the request."""
        sizes = sum(len(head) + path.stat().st_size + len(b"\r\n") for head, path in self._parts)
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(sizes + len(self._end)),
        }

    def __iter__(self) -> Iterator[bytes]:
        for head, path in self._parts:
            yield head
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    yield block
            yield b"\r\n"
        yield self._end

    def _head(self, name: str, media: str) -> bytes:
        place = f'form-data; name="{name}"' + ("" if name == PARAMETERS else f'; filename="{name}"')
        lines = (f"--{self._boundary}", f"Content-Disposition: {place}", f"Content-Type: {media}", "", "")
        return "\r\n".join(lines).encode()
