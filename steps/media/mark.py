"""Name the origin of a film by C2PA credentials: AI had a part in it, and which videos it is made of.

A clip between two steps is no MP4 and has no credentials. So it has a tag with the URNs of the manifests of
the videos that it was made of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import c2pa

from eventing.contract.credentials import Credentials, definition, load_credentials
from eventing.contract.errors import ReelzeroError
from steps.work import StepError, Work

TAG = "C2PA_INGREDIENTS"
COMPOSED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@dataclass(frozen=True)
class FilmOrigin:
    """What the credentials say about a film. `sources` are the URNs of the manifests of its videos."""

    sources: tuple[str, ...]
    created_at: str

    def manifest(self) -> dict[str, Any]:
        """Return the C2PA manifest definition."""
        ingredients = [_ingredient(number, urn) for number, urn in enumerate(self.sources, 1)]
        return definition("film.mp4", COMPOSED, self.created_at) | {"ingredients": ingredients}


def sources(job: Work) -> tuple[str, ...]:
    """Return the URNs of all videos that the inputs of a step are made of, each once, in their order."""
    files = [path for name in ("clip", "clips") for path in job.inputs.get(name, ())]
    return tuple(dict.fromkeys(urn for path in files for urn in _of_file(path)))


def tags(urns: Iterable[str]) -> dict[str, str]:
    """Return the tags of a clip that is made of these videos."""
    text = " ".join(urns)
    return {TAG: text} if text else {}


def credentials(env: Mapping[str, str] = os.environ) -> Credentials | None:
    """Return what signs films: the operator's certificate, else a self-made one; None where it is off.

    Raises StepError for a certificate that does not fit.
    """
    if env.get("REELZERO_MARK") == "off":
        return None
    chain, key = env.get("REELZERO_MARK_CERTIFICATE"), env.get("REELZERO_MARK_KEY")
    try:
        return load_credentials(Path(chain) if chain else None, Path(key) if key else None)
    except ReelzeroError as error:
        raise StepError(f"the film cannot be signed: {error}") from error


def sign(signer: Credentials, path: Path, urns: tuple[str, ...]) -> None:
    """Sign credentials into an MP4, in place. Raises StepError, OSError."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        signer.sign(path, FilmOrigin(urns, now))
    except (ReelzeroError, c2pa.C2paError) as error:
        raise StepError(f"the film cannot be signed: {error}") from error


def _ingredient(number: int, urn: str) -> dict[str, str]:
    facts = {"title": f"video {number}", "format": "video/mp4", "relationship": "componentOf"}
    return facts | {"instance_id": urn}


def _of_file(path: Path) -> Iterator[str]:
    with av.open(str(path), "r") as container:
        is_mp4, tag = "mp4" in container.format.name, container.metadata.get(TAG, "")
    yield from tag.split()
    if is_mp4 and (urn := _own(path)):
        yield urn


def _own(path: Path) -> str | None:
    """Return the URN of the credentials in an MP4; None without any."""
    try:
        with path.open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
            return str(reader.get_active_manifest()["label"])
    except (c2pa.C2paError, KeyError, TypeError):
        return None
