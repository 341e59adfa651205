"""Serve what explains the API: llms.txt, and the catalogue of errors: a problem's `type` is a page of it."""

from __future__ import annotations

import re
from html import escape
from string import Template

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse

from eventing.api.page.routes import HEADERS, STATIC
from eventing.contract.errors import NotFound
from eventing.contract.problems import PATH, Problem, catalogue

router = APIRouter(include_in_schema=False)
# Addresses are relative, so that they hold behind a proxy with a path prefix.
PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title · reelzero</title>
<link rel="stylesheet" href="${up}static/problems.css">
<main>
$body
</main>
</html>
""")


@router.get(PATH)
async def problems() -> HTMLResponse:
    """Return the list of all codes."""
    rows = "\n".join(
        f'<dt><a href="problems/{problem.code}"><code>{problem.code}</code></a></dt>'
        f"<dd>{_prose(problem.meaning)}</dd>"
        for problem in catalogue().values()
    )
    body = f"<h1>Errors</h1>\n<p>Every code that an answer or a job can have.</p>\n<dl>\n{rows}\n</dl>"
    return _page("Errors", body, up="")


@router.get(f"{PATH}/{{code}}")
async def problem(code: str) -> HTMLResponse:
    """Return what one code means, and what to do."""
    entry = catalogue().get(code)
    if entry is None:
        raise NotFound(f"no error has the code {code!r}; {PATH} lists all codes")
    return _page(entry.title, _explanation(entry), up="../")


@router.get("/llms.txt")
async def llms() -> FileResponse:
    """Return a short text for programs that write clients (llmstxt.org)."""
    return FileResponse(STATIC / "llms.txt", media_type="text/plain; charset=utf-8")


def _explanation(entry: Problem) -> str:
    status = f"HTTP {entry.status}" if entry.status else "in the <code>error</code> of a job"
    again = "can help" if entry.retryable else "does not help: the same request ends the same way"
    return (
        f"<h1>{entry.title.capitalize()}</h1>\n<p><code>{entry.code}</code> · {status}</p>\n"
        f"<p>{_prose(entry.meaning)}</p>\n<h2>What to do</h2>\n<p>{_prose(entry.remedy)}</p>\n"
        f"<p>A repetition {again}.</p>\n"
        '<p><a href="../problems">All errors</a> · <a href="../docs">The API</a></p>'
    )


def _prose(text: str) -> str:
    """Write what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _page(title: str, body: str, up: str) -> HTMLResponse:
    return HTMLResponse(PAGE.substitute(title=title.capitalize(), body=body, up=up), headers=HEADERS)
