"""Take one attempt from its addresses to its manifest: fetch, run the command or call the service, upload."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from steps.runner import kinds, names, transfer
from steps.runner.cache import Cache
from steps.runner.command import Command, kill
from steps.runner.failures import Failed, Gone, Record, failure
from steps.runner.processes import Start, reap
from steps.runner.service import Service
from steps.runner.settings import How

STAGES = ("fetch", "run", "upload")


class Attempt:
    """One attempt in its folder. `records` are for the caller; the last one is terminal."""

    def __init__(self, start: Start, how: How, order: Record, folder: Path, cache: Cache, limit: int) -> None:
        self._order, self._folder = order, folder
        self._cache, self._limit = cache, limit
        self._id = uuid.uuid4().hex
        self._gone = threading.Event()
        self._work: Command | Service = (
            Service(how, folder, list(order["outputs"]))
            if isinstance(how, str)
            else Command(start, names.placed(how, folder), folder, self._id, self._progress)
        )
        self.records: queue.Queue[Record] = queue.Queue()

    def stop(self) -> None:
        """End the attempt, its command, and all that this started."""
        self._gone.set()
        kill(self._id)

    def work(self) -> None:
        """Do it all. The terminal record is the last thing: nothing of the attempt is left by then."""
        end = failure("internal_error", "the runner failed; see its log", retryable=True)
        try:
            end = {"type": "completed", "step": self._made()}
        except Gone:
            end = failure("cancelled", "the caller has gone")
        except Failed as error:
            end = {"type": "failed", "error": error.record}
        except OSError as error:
            end = failure("scratch_full", f"the scratch disk: {error}", retryable=True)
        finally:
            reap()
            shutil.rmtree(self._folder, ignore_errors=True)
            self.records.put(end)

    def _made(self) -> Record:
        times = [time.monotonic()]
        self._fetch()
        times.append(time.monotonic())
        self._report("generate", 0)
        self._work.call(self._look)
        self._look()
        times.append(time.monotonic())
        outputs = self._upload()
        times.append(time.monotonic())
        spans = zip(times, times[1:])  # noqa: B905,RUF007 - for Python 3.9
        seconds = {name: round(end - begin, 3) for name, (begin, end) in zip(STAGES, spans)}  # noqa: B905 - the same
        return self._manifest({**self._order["identity"], "outputs": outputs, "seconds": seconds})

    def _check(self) -> None:
        if self._gone.is_set():
            raise Gone

    def _look(self) -> None:
        self._check()
        if _size(self._folder / "outputs") > self._limit:
            raise Failed("step_failed", f"the step wrote more than {self._limit} bytes of outputs")

    def _progress(self, share: float) -> None:
        self._report("generate", share)

    def _report(self, stage: str, share: float) -> None:
        progress = {"stage": stage, "step": round(share * 100), "total_steps": 100}
        self.records.put({"type": "progress", "progress": progress})

    def _fetch(self) -> None:
        self._report("download", 0)
        for folder in ("inputs", "outputs"):
            (self._folder / folder).mkdir(parents=True)
        for name, sources in self._order["inputs"].items():
            target = self._folder / "inputs" / names.checked(name)
            if isinstance(sources, dict):
                self._take(f"inputs.{name}", sources, target)
                continue
            target.mkdir()
            for number, source in enumerate(sources):
                self._take(f"inputs.{name}[{number}]", source, target / f"{number:04d}")
        (self._folder / "parameters.json").write_text(json.dumps(self._order["parameters"]), encoding="utf-8")

    def _take(self, path: str, source: Record, target: Path) -> None:
        """Fetch an input. Raises Failed for a kind of file that the step does not take."""
        self._cache.take(source, target, self._check)
        _require_kind(path, target, source.get("media", ()))

    def _upload(self) -> dict[str, Record]:
        self._report("upload", 0)
        outputs: dict[str, Record] = {}
        for name, target in self._order["outputs"].items():
            path = self._folder / "outputs" / names.checked(name)
            if path.is_file() and not path.is_symlink():
                outputs[name] = self._sent(name, target, path)
            elif target.get("required", True):
                problem = f"there is no output {name}{self._work.last_words()}"
                raise Failed("step_failed", problem)
        return outputs

    def _sent(self, name: str, target: Record, path: Path) -> Record:
        _require_kind(f"outputs.{name}", path, [target["content_type"]])
        digest = transfer.digest(path, self._check)
        transfer.patiently(f"the output {name}", lambda: transfer.put(target, path), self._check)
        size = path.stat().st_size
        return {"uri": target["uri"], "sha256": digest, "bytes": size, "content_type": target["content_type"]}

    def _manifest(self, result: Record) -> Record:
        """Write the manifest, once. Where another run of the attempt was faster, return its result."""
        target = self._order["manifest"]
        path, earlier = self._folder / "manifest.json", self._folder / "earlier.json"
        path.write_text(json.dumps(result), encoding="utf-8")
        if not transfer.patiently("the manifest", lambda: transfer.put(target, path), self._check):
            return result
        address = target["read_url"]
        transfer.patiently("the manifest", lambda: transfer.fetch(address, earlier, self._check), self._check)
        first: Record = json.loads(earlier.read_text(encoding="utf-8"))
        return first


def _require_kind(path: str, file: Path, media: Sequence[str]) -> None:
    kind = kinds.kind_of(file)
    if media and not kinds.fits(kind, media):
        raise Failed("step_failed", f"{path}: is {kind}, and {' or '.join(media)} is needed")


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, file)).st_size  # noqa: PTH118 - faster for many files
    return total
