"""Workers of a training do not outlive it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

SCRIPT = """
import multiprocessing, threading
from training.workers import end_with_parent

def work():
    end_with_parent()
    print("works", flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work).start()
"""


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command, root = [sys.executable, str(script)], str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={"PYTHONPATH": root}, start_new_session=True
    )
    try:
        assert parent.stdout
        assert parent.stdout.readline() == b"works\n"
        parent.kill()
        # The pipe ends with the last process that holds it; the limit is for one that never does.
        assert parent.communicate(timeout=300)[0] == b""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
