"""Worker processes that end with the process that spawned them, in whatever way that ended."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """End this process as soon as its parent has.

    torch asks for SIGINT at the parent's death, which a training started in the background ignores.
    """
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
