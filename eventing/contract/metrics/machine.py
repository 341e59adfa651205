"""Measure what is around a process: its build, the volumes that it writes, and what is about to lapse."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from pathlib import Path

import jwt
from cryptography import x509
from prometheus_client.core import Metric

from eventing.contract.metrics.declare import Reading, Sample, Service, family

BUILD = family(
    Service.both,
    Reading.each,
    "reelzero_build_info",
    "1, with the release in a label.",
    "component",
    "version",
)
VOLUME_SIZE = family(
    Service.both, Reading.each, "reelzero_volume_size_bytes", "Size of the file system of a folder.", "volume"
)
VOLUME_FREE = family(
    Service.both, Reading.each, "reelzero_volume_free_bytes", "Free bytes in the file system of a folder.",
    "volume",
)  # fmt: skip
CERTIFICATE = family(
    Service.both, Reading.each, "reelzero_certificate_expiry_timestamp_seconds",
    "Time at which the first certificate of a configured file lapses.", "purpose",
)  # fmt: skip
TOKEN = family(
    Service.eventing, Reading.each, "reelzero_token_expiry_timestamp_seconds",
    "Time at which the JSON web token in a configured file lapses.", "purpose",
)  # fmt: skip

Read = Callable[[], bytes | None]  # the content of a file now; None where it is not used


class Machine:
    """A collector for the registry of a process. It reads files and file systems at each scrape."""

    def __init__(
        self, component: str, version: str, folders: Mapping[str, Path],
        certificates: Mapping[str, Read] | None = None, tokens: Mapping[str, Read] | None = None,
    ) -> None:  # fmt: skip
        self._build = (component, version)
        self._folders = folders
        self._certificates, self._tokens = certificates or {}, tokens or {}

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now. What cannot be read is left out."""
        sizes = {volume: size for volume, folder in self._folders.items() if (size := _usage(folder))}
        yield BUILD.of([(self._build, 1)])
        yield VOLUME_SIZE.of(((volume,), size) for volume, (size, _) in sizes.items())
        yield VOLUME_FREE.of(((volume,), free) for volume, (_, free) in sizes.items())
        yield CERTIFICATE.of(_times(self._certificates, lapse_of_certificates))
        if self._build[0] == Service.eventing:
            yield TOKEN.of(_times(self._tokens, lapse_of_token))


def content(path: Path | None) -> Read:
    """Return a reader of a file."""
    return lambda: path.read_bytes() if path else None


def lapse_of_certificates(pem: bytes) -> float | None:
    """Return when the first of some PEM certificates lapses, in seconds since the epoch."""
    ends = [one.not_valid_after_utc.astimezone(UTC) for one in x509.load_pem_x509_certificates(pem)]
    return min(end.timestamp() for end in ends) if ends else None


def lapse_of_token(token: bytes) -> float | None:
    """Return `exp` of a JSON web token, in seconds since the epoch; None if it has none or is no such token.

    Nothing trusts the token here, so its signature is not checked.
    """
    try:
        claims = jwt.decode(token.strip(), options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return None
    end = claims.get("exp")
    return float(end) if isinstance(end, int | float) else None


def _usage(folder: Path) -> tuple[int, int] | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.total, usage.free


def _times(readers: Mapping[str, Read], lapse: Callable[[bytes], float | None]) -> Iterator[Sample]:
    for purpose, read in readers.items():
        try:
            raw = read()
            end = lapse(raw) if raw else None
        except (OSError, ValueError):
            continue
        if end is not None:
            yield (purpose,), end
