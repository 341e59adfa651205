"""Read what a Knative SinkBinding gives to a pod, for deliveries to the sink.

    K_SINK                 URL of the sink
    K_CA_CERTS             CA certificates of the sink (PEM), if it serves TLS
    K_CE_OVERRIDES         {"extensions": {…}}, which every event gets
    /oidc/token            bearer token for the sink, if the sink has an audience
    /knative-custom-certs  CA certificates that the cluster's admin trusts

Knative renews the token before it expires, and the bundles may change at any time. So these files are read
for each delivery, and no restart is needed. REELZERO_SINK_URL names another sink. For it only the extensions
of the binding are used; its CA and its token are settings.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from eventing.contract.codecs.validation import first_problem
from eventing.contract.errors import ConfigurationError
from eventing.settings import Settings

TOKEN_FILE = Path("/oidc/token")
BUNDLES = Path("/knative-custom-certs")


class Overrides(BaseModel):
    """The value of K_CE_OVERRIDES."""

    extensions: dict[str, str] | None = None


class SinkBinding:
    """The sink and how it is reached. Raises ConfigurationError for a value that cannot be read."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        bound = not settings.sink_url
        self.url = settings.sink_url or environment.get("K_SINK") or None
        self.extensions = _extensions(environment.get("K_CE_OVERRIDES", ""))
        self._token_file = settings.sink_token_file
        self._ca_file = settings.sink_ca_file
        self._ca_certs = environment.get("K_CA_CERTS", "") if bound else ""
        self._mounts = (TOKEN_FILE, BUNDLES) if bound else None
        self._context: tuple[object, ssl.SSLContext] | None = None
        if (self.url or "").lower().startswith("https:"):
            self._try_context()

    def headers(self) -> dict[str, str]:
        """Return the Authorization header with the token of this moment; empty if the sink needs none.

        Raises OSError if the token's file cannot be read.
        """
        file = self._token_file
        if file is None and self._mounts and self._mounts[0].exists():
            file = self._mounts[0]
        return {"Authorization": f"Bearer {file.read_text(encoding='utf-8').strip()}"} if file else {}

    def tls(self) -> ssl.SSLContext:
        """Return the context that verifies the sink; it is made again when a file of it has changed.

        Raises OSError naming a file that holds no certificate.
        """
        files = self._ca_files()
        state = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        if self._context is None or self._context[0] != state:
            self._context = state, _context(self._ca_certs, files)
        return self._context[1]

    def _ca_files(self) -> list[Path]:
        own = [self._ca_file] if self._ca_file else []
        if self._mounts is None or not self._mounts[1].is_dir():
            return own
        return own + sorted(path for path in self._mounts[1].iterdir() if path.is_file())

    def _try_context(self) -> None:
        """Find mistakes at the start. A bundle may be mended later, so it does not count here."""
        for name, text, files in (
            ("K_CA_CERTS", self._ca_certs, []),
            ("REELZERO_SINK_CA_FILE", "", [self._ca_file] if self._ca_file else []),
        ):
            try:
                _context(text, files)
            except OSError as error:
                raise ConfigurationError(f"{name}: {error}", field=name) from error


def _context(pem: str, files: list[Path]) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and these."""
    context = ssl.create_default_context()
    if pem:
        try:
            context.load_verify_locations(cadata=pem)
        except ssl.SSLError as error:
            raise OSError("it must be CA certificates in PEM format") from error
    for path in files:
        try:
            context.load_verify_locations(cafile=path)
        except OSError as error:
            raise OSError(f"{path} must hold CA certificates in PEM format ({error})") from error
    return context


def _extensions(text: str) -> dict[str, str]:
    if not text or text == "null":
        return {}
    try:
        return Overrides.model_validate_json(text).extensions or {}
    except ValidationError as error:
        problem = first_problem(error).sentence("the value")
        raise ConfigurationError(f"K_CE_OVERRIDES: {problem}", field="K_CE_OVERRIDES") from error
