"""Move files from and to signed addresses, and wait while the store is away."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import TypeVar

from steps.runner.failures import Check, Failed, Record

T = TypeVar("T")
TRIES = 5
BLOCK = 1 << 20


def patiently(what: str, transfer: Callable[[], T], check: Check) -> T:
    """Try a transfer again while the store is away. Raises Failed."""
    for number in range(TRIES):
        check()
        try:
            return transfer()
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                answer = f"{what}: the store answered {error.code}"
                raise Failed("storage_unavailable", answer, True) from error
            problem: Exception = error
        except (OSError, http.client.HTTPException) as error:
            problem = error
        sleep(min(2**number, 10) if number < TRIES - 1 else 0)
    raise Failed("storage_unavailable", f"{what}: the store does not answer: {problem}", True)


def download(source: Record, target: Path, check: Check) -> None:
    """Fetch a file and compare its sha256. Raises OSError."""
    fetch(source["url"], target, check)
    if digest(target, check) != source["sha256"]:
        raise ConnectionError("other bytes arrived than were stored")


def fetch(url: str, target: Path, check: Check) -> None:
    """Fetch a file. Raises OSError."""
    with urllib.request.urlopen(_web(url), timeout=60) as answer, target.open("wb") as out:  # noqa: S310 - see _web
        while block := answer.read(BLOCK):
            check()
            out.write(block)


def put(target: Record, path: Path) -> bool:
    """Send a file. True if one was there before, where the address allows it once."""
    headers = {**target.get("headers", {}), "Content-Length": str(path.stat().st_size)}
    with path.open("rb") as body:
        request = urllib.request.Request(_web(target["url"]), data=body, headers=headers, method="PUT")  # noqa: S310 - see _web
        try:
            with urllib.request.urlopen(request, timeout=300):  # noqa: S310 - the same
                return False
        except urllib.error.HTTPError as error:
            if error.code in (409, 412):
                return True
            raise


def digest(path: Path, check: Check) -> str:
    """Return the sha256 of a file."""
    summed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            check()
            summed.update(block)
    return summed.hexdigest()


def _web(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise Failed("invalid_request", "an address of a file must begin with http:// or https://")
    return url
