"""Do to every video what the operator wants: check it, watermark it, and sign its content credentials."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import c2pa
import numpy as np

from eventing.contract.credentials import Credentials, Origin, digest, load_credentials
from eventing.contract.errors import ConfigurationError
from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.results import Mark
from predictor.generation.hooks import Hooks, load_hooks
from predictor.generation.result_store import now
from predictor.generation.video.mp4 import write_mp4
from predictor.settings import PredictorSettings

SMALLEST = (1, 16, 16, 3)  # frames, height, width, channels
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finish:
    """The operator's hooks and credentials. `credentials` is None if the mark of origin is off."""

    hooks: Hooks = field(default_factory=Hooks)
    credentials: Credentials | None = None
    with_prompt: bool = False

    def sign(self, video: Path, spec: GenerationSpec, revision: str) -> Mark | None:
        """Sign the credentials into a video, in place. Raises BrokenVideo, OSError, c2pa.C2paError."""
        if self.credentials is None:
            return None
        prompt = spec.prompt if self.with_prompt else None
        return self.credentials.sign(video, Origin(spec.model, revision, digest(spec), now(), prompt))


def load_finish(settings: PredictorSettings) -> Finish:
    """Load what the settings name, and sign one frame to prove that it works. Raises ConfigurationError."""
    hooks = load_hooks(settings.checks, settings.watermark)
    credentials = _credentials(settings) if settings.mark == "c2pa" else None
    if credentials is None:
        log.warning("videos get no mark of origin, because REELZERO_MARK is off; the law may demand one")
    return Finish(hooks, credentials, settings.mark_prompts)


def _credentials(settings: PredictorSettings) -> Credentials:
    if settings.mark_certificate is None or settings.mark_key is None:
        log.warning("videos are signed with a self-made certificate; set REELZERO_MARK_CERTIFICATE and _KEY")
    credentials = load_credentials(settings.mark_certificate, settings.mark_key)
    _prove(credentials, settings)
    return credentials


def _prove(credentials: Credentials, settings: PredictorSettings) -> None:
    """Sign one small frame, since only signing shows whether C2PA accepts a certificate."""
    with tempfile.TemporaryDirectory(dir=settings.scratch_dir) as folder:
        path = Path(folder) / "one.mp4"
        write_mp4(np.zeros(SMALLEST, np.uint8), 1, path, lambda: None)
        try:
            credentials.sign(path, Origin(settings.model, "local", "0" * 64, now()))
        except c2pa.C2paError as error:
            raise ConfigurationError(
                f"REELZERO_MARK_CERTIFICATE cannot sign content credentials: {error}"
            ) from error
