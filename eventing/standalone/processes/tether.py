"""End a command when its parent ends: `python -IS tether.py PARENT_PID COMMAND ARGUMENT…`.

On Linux the kernel does it: this process requests SIGKILL at its parent's death and then becomes the command.
Elsewhere (or with `--watch` first) it stays and runs the command as a child. It kills its own process group
when standard input ends, which happens whenever the parent ends.

`process.py` runs it as a script. It imports nothing of reelzero, so that it starts in milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1  # prctl(2)
ORPHANED = 120
NOT_RUNNABLE = 127


def main(arguments: list[str]) -> int:
    """Run the command tied to its parent. Returns only if it watches or cannot run the command."""
    watch = arguments[0] == "--watch"
    parent, *command = arguments[watch:]
    try:
        if watch or sys.platform != "linux":
            return _watched(command)
        return _become(int(parent), command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_RUNNABLE


def _become(parent: int, command: list[str]) -> int:
    """Become the command; returns only if that fails."""
    import ctypes  # noqa: PLC0415 - only Linux has the call

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        return _watched(command)
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose
    return ORPHANED  # the parent died before the tie was made


def _watched(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the whole group gets it; only the command acts on it
    child = os.fork()
    if child == 0:
        _run(command)
    threading.Thread(target=_kill_group_at_end_of_input, daemon=True).start()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run(command: list[str]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], command)  # noqa: S606 - see _become
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
    os._exit(NOT_RUNNABLE)


def _kill_group_at_end_of_input() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
