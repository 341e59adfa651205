"""Write llms.txt, for programs that write clients: `python -m tests.support.llms_text`.

It is made from the pages of the documents and from the table of fields, and kept twice: in docs/, and among
the files that every server serves.
"""

from __future__ import annotations

import re
from pathlib import Path

from eventing.contract.records.models import JobRequest
from tests.support.fields_page import rows

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COPIES = (DOCS / "llms.txt", ROOT / "eventing" / "api" / "page" / "static" / "llms.txt")
RAW = "https://raw.githubusercontent.com/reelzero/reelzero/main/docs"
HEAD = """# reelzero

> Text to video that scales to zero: a durable queue, signed webhooks and CloudEvents around video
> models. This text describes every server of it; paths are relative to the server's address.

To make a video: `POST /v1/jobs` with JSON `{"prompt": "a red circle moving right"}` and an
`Idempotency-Key`. The answer is 202 with the job's `id`. `GET /v1/jobs/{id}/events` streams server-sent
events until the job has ended; `GET /v1/jobs/{id}` is its state: queued, in_progress, completed, failed
or cancelled. `GET /v1/jobs/{id}/result` redirects to the MP4. `DELETE /v1/jobs/{id}` cancels. A server
with keys wants `Authorization: Bearer rz_…`. Never poll more than once a second; a 429 or 503 has
`Retry-After`. A 4xx names the `field` that is wrong and what would be right: correct it, do not repeat
it.

## On this server

- [OpenAPI](/openapi.json): every path, record and error
- [Models](/v1/models): names, sizes, frame counts, inputs, and what cannot run here
- [Errors](/problems): every code, what it means and what to do
"""
FOLDERS = (("Ways in", "clients"), ("Stories", "stories"), ("Cookbook", "cookbook"))
PAGES = (
    "tutorial.md",
    "fields.md",
    "errors.md",
    "models.md",
    "settings.md",
    "guarantees.md",
    "architecture.md",
)


def text() -> str:
    """The whole text."""
    parts = [HEAD]
    for title, folder in FOLDERS:
        parts.append(
            f"## {title}\n\n" + "\n".join(_line(page) for page in sorted((DOCS / folder).glob("*.md")))
        )
    parts.append("## More\n\n" + "\n".join(_line(DOCS / name) for name in PAGES))
    fields = [f"- `{name}` ({value}): {meaning}" for name, value, _, meaning in rows(JobRequest)]
    parts.append("## Fields of a request\n\n" + "\n".join(fields))
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _line(page: Path) -> str:
    content = page.read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", content, re.MULTILINE)
    return f"- [{title[1] if title else page.stem}]({RAW}/{page.relative_to(DOCS).as_posix()})"


if __name__ == "__main__":
    for copy in COPIES:
        copy.write_text(text(), encoding="utf-8")
