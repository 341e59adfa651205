"""Write docs/errors.md from the catalogue of errors. Call it as `python -m tests.support.errors_page`."""

from __future__ import annotations

from pathlib import Path

from eventing.contract.problems import Problem, catalogue

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
HEAD = """# Errors

Every code that an answer or a job can have. Codes are stable; messages are for people and may change.
This page is generated from `eventing/contract/problems.py` (`make pages`), and every server shows it at
`/problems`.

- Most paths answer [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details. `type` is the
  path of the code's page on the same server.
- `/v1/videos` answers in OpenAI's form: `{"error": {"message", "type", "code", "param"}}`. 409 and 422
  become 400 there, since its SDKs repeat a 409.
- `/v2` answers in V2's form: `{"error": "…", "code": …, "field": …}`.
- A job that failed, and its event, have `error`: `{"code", "message", "retryable"}`. Codes with a 500
  below are mostly met there.

A 503 and a 429 carry `Retry-After`. A repetition with the same `Idempotency-Key` is never a second job.

| code | HTTP | again? | what it means | what to do |
|---|---|---|---|---|
"""


def row(problem: Problem) -> str:
    """One line of the table."""
    status = str(problem.status or "")
    again = "yes" if problem.retryable else "no"
    anchor = f'<a id="{problem.code}"></a>`{problem.code}`'
    return f"| {anchor} | {status} | {again} | {problem.meaning} | {problem.remedy} |"


def text() -> str:
    """The whole page."""
    return HEAD + "\n".join(map(row, catalogue().values())) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
