"""Examples in Markdown pages: fenced blocks, each followed by the response that a reader will see.

A block of ```json or ```text right below an example is its response. `python -m tests.support.doc_examples`
runs every page in docs/clients against the server that the README starts, and writes the responses again.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "clients").glob("*.md"))
FENCED = re.compile(
    r"^```(bash|python)\n(?P<code>.*?)^```\n(?:\n```(?:json|text)\n(?P<response>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
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
    """One block of code and the response that the page shows for it."""

    language: str
    code: str
    response: str | None

    @property
    def needs(self) -> str | None:
        """The client environment that a first line `# needs: NAME` asks for."""
        match = NEEDS.match(self.code)
        return match[1] if match else None


def examples(page: Path, language: str) -> list[Example]:
    """List a page's examples of one language, in order."""
    matches = FENCED.finditer(page.read_text(encoding="utf-8"))
    return [Example(m[1], m["code"], m["response"]) for m in matches if m[1] == language]


def shell_script(page: Path) -> str:
    """Join a page's shell examples into one session that ends at the first failure; empty if it has none."""
    code = "\nprintf '\\x1e'\n".join(example.code for example in examples(page, "bash"))
    return f"set -euo pipefail\n{code}" if code else ""


def run_shell(page: Path, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run a page's shell examples as one session; what each printed. Raises AssertionError."""
    return _run(["bash", "-c", shell_script(page)], folder, environment).split(BETWEEN)


def run_python(example: Example, folder: Path, environment: Mapping[str, str]) -> str:
    """Run one Python example; what it printed. Raises AssertionError."""
    return _run([sys.executable, "-c", example.code], folder, environment)


def alike(text: str) -> Any:
    """Reduce a response to what is the same in every run: keys, types, and the values that name things."""
    try:
        return _shape(json.loads(text))
    except ValueError:
        for pattern, word in ALIKE:
            text = pattern.sub(word, text)
        return text.strip()


@contextmanager
def default_server(folder: Path) -> Iterator[dict[str, str]]:
    """Run `reelzero up` as the README does, in a folder of its own; the environment of a reader's shell."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("REELZERO_", "AWS_"))}
    environment = clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PATH"] = f"{Path(sys.executable).parent}:{clean.get('PATH', '')}"  # for `reelzero`
    command = [sys.executable, "-m", "eventing", "up", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = next((line for line in process.stdout if "http://" in line), "")
        address = re.search(r"http://[\d.]+:\d+", ready)
        assert address, "`reelzero up` ended before it served"
        yield environment | {"REELZERO": address[0]}
    finally:
        process.terminate()
        process.communicate()


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _shape(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _shape(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_shape(member, key) for member in value]
    return value if key in EQUAL else type(value).__name__


def _write(page: Path, folder: Path, environment: Mapping[str, str]) -> None:
    shells = iter(run_shell(page, folder, environment) if examples(page, "bash") else ())

    def fill(match: re.Match[str]) -> str:
        example = Example(match[1], match["code"], match["response"])
        head = f"```{example.language}\n{example.code}```\n"
        if example.needs:
            return match[0]
        output = next(shells) if example.language == "bash" else run_python(example, folder, environment)
        if not output.strip():
            return head
        kind = "json" if output.lstrip().startswith(("{", "[")) else "text"
        return f"{head}\n```{kind}\n{output.strip()}\n```\n"

    page.write_text(FENCED.sub(fill, page.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> None:
    """Write the responses of every page."""
    with tempfile.TemporaryDirectory(prefix="reelzero-docs-") as folder:
        with default_server(Path(folder)) as environment:
            for page in PAGES:
                _write(page, Path(folder), environment)
                print(f"written: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
