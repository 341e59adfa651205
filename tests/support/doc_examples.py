"""Examples in Markdown pages: fenced blocks, each followed by the response that a reader will see.

A block of ```json or ```text right below an example is its response; a line of it that ends with `…` is cut
there. A block with a title (```python title="receiver.py") is a file that the reader saves, and that later
examples run. `python -m tests.support.doc_examples` runs every page against the server that the tutorial
starts, and writes the responses again; names of pages after it choose some.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TUTORIAL = DOCS / "tutorial.md"
PAGES = [
    TUTORIAL,
    *sorted((DOCS / "clients").glob("*.md")),
    *sorted((DOCS / "cookbook").glob("*.md")),
]
FENCED = re.compile(
    r"^```(bash|python)(?: title=\"(?P<title>[\w./-]+)\")?\n(?P<code>.*?)^```\n"
    r"(?:\n```(?:json|text)\n(?P<response>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
SERVER = "127.0.0.1:8080"  # as the pages name it
RECEIVER = "9000"  # the port of a receiver of webhooks, in the pages
NEEDS = re.compile(r"^# needs: (\w+)$", re.MULTILINE)
BETWEEN = "\x1e"  # ASCII's record separator: no example prints it
SECONDS = 600.0  # only a hang needs them
ALIKE = (
    (re.compile(r"vid_[0-9a-z]{26}"), "vid_ID"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "HASH"),
    (re.compile(r"127\.0\.0\.1:\d+|/[0-9a-f]{12}/"), "HERE"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[0-9:.]+Z?"), "TIME"),
    (re.compile(r"\d+(\.\d+)?"), "N"),
)
EQUAL = {"object", "model", "status", "type", "code", "field", "datatype", "size", "seconds", "destination"}


@dataclass(frozen=True)
class Example:
    """A block of code, the response that the page shows for it, and the file that it is saved as, if any."""

    language: str
    code: str
    response: str | None
    title: str | None = None

    @property
    def needs(self) -> str | None:
        """The client environment that a first line `# needs: NAME` asks for."""
        match = NEEDS.match(self.code)
        return match[1] if match else None


@dataclass(frozen=True)
class Reader:
    """A folder in which `reelzero up` was called, what it printed, and the environment of a shell beside."""

    folder: Path
    environment: Mapping[str, str]
    introduction: str


def blocks(page: Path) -> list[Example]:
    """List a page's examples and files, in order."""
    matches = FENCED.finditer(page.read_text(encoding="utf-8"))
    return [Example(m[1], m["code"], m["response"], m["title"]) for m in matches]


def examples(page: Path, language: str) -> list[Example]:
    """List a page's examples of one language that are run as they stand, in order."""
    return [one for one in blocks(page) if one.language == language and not one.title]


def shell_script(page: Path) -> str:
    """Join a page's shell examples into one session that ends at the first failure; empty if it has none."""
    code = "\nprintf '\\x1e'\n".join(example.code for example in examples(page, "bash"))
    return f"set -euo pipefail\n{code}" if code else ""


def run_shell(page: Path, reader: Reader) -> list[str]:
    """Save a page's files, run its shell examples in one session; what each printed, or an AssertionError."""
    port = str(free_port())
    for one in blocks(page):
        if one.title:
            (reader.folder / one.title).write_text(_placed(one.code, reader, port), encoding="utf-8")
    script = _placed(shell_script(page), reader, port)
    return _run(["bash", "-c", script], reader).split(BETWEEN)


def run_python(example: Example, reader: Reader) -> str:
    """Run one Python example; what it printed. Raises AssertionError."""
    return _run([sys.executable, "-c", _placed(example.code, reader, str(free_port()))], reader)


def _placed(code: str, reader: Reader, port: str) -> str:
    """Name the addresses of this run."""
    return code.replace(SERVER, reader.environment["REELZERO"].removeprefix("http://")).replace(
        RECEIVER, port
    )


def agree(shown: str, printed: str) -> bool:
    """Tell whether a response is the one that a page shows, but for what differs in every run."""
    left, right = alike(shown), alike(printed)
    if not (isinstance(left, str) and isinstance(right, str)):
        return bool(left == right)
    pairs = list(zip_longest(left.splitlines(), right.splitlines(), fillvalue=""))
    return all(b.startswith(a[:-1]) if a.endswith("…") else a == b for a, b in pairs)


def alike(text: str) -> Any:
    """Reduce a response to what is the same in every run: keys, types, and the values that name things."""
    try:
        return _shape(json.loads(text))
    except ValueError:
        for pattern, word in ALIKE:
            text = pattern.sub(word, text)
        return text.strip()


@contextmanager
def default_server(folder: Path) -> Iterator[Reader]:
    """Run `reelzero up` as the tutorial does, in a folder of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("REELZERO_", "AWS_"))}
    environment = clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PATH"] = f"{Path(sys.executable).parent}:{clean.get('PATH', '')}"  # for `reelzero`
    environment["COUNT"] = "4"  # videos of the cookbook's batch, in place of 1,000
    command = [sys.executable, "-m", "eventing", "up", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        introduction = _introduction(process)
        address = re.search(r"http://[\d.]+:\d+", introduction)
        assert address, "`reelzero up` ended before it served"
        yield Reader(folder, environment | {"REELZERO": address[0]}, introduction)
    finally:
        process.terminate()
        process.communicate()


def _introduction(process: subprocess.Popen[str]) -> str:
    """What `up` prints when it serves; its last line names the log."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("  log "):
            break
    return "".join(lines)


def _run(command: list[str], reader: Reader) -> str:
    done = subprocess.run(
        command, cwd=reader.folder, env=dict(reader.environment), capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _shape(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _shape(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_shape(member, key) for member in value]
    return value if key in EQUAL else type(value).__name__


def _write(page: Path, reader: Reader) -> None:
    """Write a page's responses again, but for those that still hold: their ids and times need not change."""
    shells = iter(run_shell(page, reader) if examples(page, "bash") else ())

    def fill(match: re.Match[str]) -> str:
        example = Example(match[1], match["code"], match["response"], match["title"])
        if example.needs or example.title:
            return match[0]
        output = next(shells) if example.language == "bash" else run_python(example, reader)
        if agree(example.response or "", output):
            return match[0]
        head = f"```{example.language}\n{example.code}```\n"
        kind = "json" if output.lstrip().startswith(("{", "[")) else "text"
        return f"{head}\n```{kind}\n{output.strip()}\n```\n"

    page.write_text(FENCED.sub(fill, page.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> None:
    """Write the responses of every page, or of those named."""
    with tempfile.TemporaryDirectory(prefix="reelzero-docs-") as folder:
        with default_server(Path(folder)) as reader:
            for page in PAGES:
                if page.stem in sys.argv[1:] or not sys.argv[1:]:
                    _write(page, reader)
                    print(f"written: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
