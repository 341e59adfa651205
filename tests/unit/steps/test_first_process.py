"""The runner as the first process of a container: what commands leave is reaped, or process ids run out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from steps import bundle
from tests.unit.steps.running import attempt
from tests.unit.steps.store import Store

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
LEAVES = "for n in 1 2 3; do (setsid sh -c 'sleep 300' &) ; done; echo a > {outputs}/text"
LOOKS = "cat /proc/[0-9]*/stat | grep -c ') Z 1 ' > {outputs}/text; true"


def can_unshare() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run([*UNSHARE, "true"], check=False).returncode


def test_children_that_commands_left_are_reaped(tmp_path: Path, store: Store) -> None:
    if not can_unshare():
        pytest.skip("needs unshare of util-linux, and the right to make a namespace of processes")
    bundle.write(tmp_path / "runner.pyz")
    commands = {name: ["sh", "-c", line] for name, line in (("leaves", LEAVES), ("looks", LOOKS))}
    env = {"REELZERO_STEPS": json.dumps(commands), "PORT": "0", "REELZERO_RUNNER_HOST": "127.0.0.1"}
    env |= {"REELZERO_SCRATCH_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [*UNSHARE, sys.executable, "-I", str(tmp_path / "runner.pyz")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            host, port = process.stdout.readline().split("//")[1].strip().split(":")
            for name in ("leaves", "leaves", "looks", "looks"):
                order = {"identity": {"job_id": name}, "inputs": {}, "parameters": {}}
                places = {"outputs": {"text": store.target("out")}, "manifest": store.target(name)}
                records = attempt((host, int(port)), name, {**order, **places})
                assert records[-1]["type"] == "completed", records[-1]
            assert store.files["/out"] == b"0\n"
        finally:
            process.kill()
