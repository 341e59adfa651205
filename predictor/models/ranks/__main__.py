"""Be rank 1 or up: `python -m predictor.models.ranks FD`. Rank 0 starts it with one end of a channel."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from eventing.contract import telemetry
from eventing.contract.errors import ReelzeroError
from predictor.models.ranks.messages import PATIENCE, End, Join, Report, Video, Weights, receive, send

if TYPE_CHECKING:
    from predictor.models.ranks.pipeline import Follower

log = logging.getLogger(__name__)


class Rank:
    """One rank: answers every message with a report, from the main thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="channel", daemon=True).start()

    def live(self) -> None:
        """Load, join, and run videos until rank 0 ends. Returns after a failure that it cannot outlive."""
        weights: Weights = self._inbox.get()
        telemetry.configure_logs(weights.settings.log_level)  # rank 0 makes the spans
        logging.captureWarnings(True)
        try:
            follower = self._prepared(weights)
        except Exception as error:
            self._fail(weights.rank, error)
            self._inbox.get()  # nothing comes: rank 0 ends this process
            return
        patience = None
        while True:
            try:
                message = self._inbox.get(timeout=patience)
            except queue.Empty:
                return
            left = not isinstance(message, Video) or self._run(follower, message, weights.rank)
            patience = None if left else PATIENCE

    def _prepared(self, weights: Weights) -> Follower:
        # Here, so that the channel is watched while torch is imported.
        from predictor.models.ranks.pipeline import Follower  # noqa: PLC0415
        from predictor.models.ranks.start import load_part, share  # noqa: PLC0415

        family = load_part(weights)
        send(self._connection, Report(weights.rank))
        join: Join = self._inbox.get()
        share(family, weights.entry.gpus, join.file, weights)
        send(self._connection, Report(weights.rank))
        return Follower(family, weights.device)

    def _run(self, follower: Follower, video: Video, rank: int) -> bool:
        """Run the steps of a video. Return False if they failed: other ranks may be in the middle of them."""
        try:
            done = follower.run(video)
        except Exception as error:
            self._fail(rank, error)
            return False
        log.info("steps ended", extra={"rank": rank, "steps": done})
        send(self._connection, Report(rank))
        return True

    def _fail(self, rank: int, error: Exception) -> None:
        log.error("rank failed", extra={"rank": rank}, exc_info=error)
        words = error.message if isinstance(error, ReelzeroError) else f"{type(error).__name__}: {error}"
        send(self._connection, Report(rank, words.splitlines()[0][:300]))

    def _listen(self) -> None:
        """Pass messages on. End when rank 0 ends or says so, also in the middle of a video."""
        while True:
            try:
                message = receive(self._connection)
            except (EOFError, OSError):
                os._exit(1)
            if isinstance(message, End):
                os._exit(0)
            self._inbox.put(message)


def main() -> None:
    """Run one rank. Rank 0 decides when it ends, so that a drain reaches all of them."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    Rank(Connection(int(sys.argv[1]))).live()
    # A group of torch waits for its other members in an orderly exit.
    logging.shutdown()
    os._exit(1)


if __name__ == "__main__":
    main()
