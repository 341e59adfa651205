"""End worker processes together with the process that spawned them, also if it is killed."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """End this process when its parent ends.

    torch requests a SIGINT at the parent's death, but a background process ignores it.
    """
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
