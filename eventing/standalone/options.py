"""The options of the one-machine edition, and the settings that follow from them."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from eventing.contract.catalog import Catalog
from eventing.contract.env import PREFIX, read
from eventing.contract.storage.s3 import S3Location
from eventing.contract.stories.catalog import StepTypes, load_step_types
from eventing.settings import Endpoint, Settings, StepEndpoint
from eventing.standalone.data.data_dir import DATA_DIR, DataDir
from eventing.standalone.processes.process import LOOPBACK
from eventing.standalone.processes.steps import NAME, commands, slots

OWN_NETWORKS = ("127.0.0.0/8", "::1/128")
FALLBACK_MODEL = "tiny"


@dataclass(frozen=True)
class Options:
    """Command-line options of `reelzero up`; `run` has a part of them."""

    data_dir: Path = DATA_DIR
    host: str = LOOPBACK
    port: int = 0
    models: tuple[str, ...] = ()
    models_dir: Path | None = None
    idle_seconds: float = 60.0
    sink_url: str | None = None
    warm_template: bool = False
    steps_dir: Path | None = None

    @property
    def is_private(self) -> bool:
        """Tell whether the service can be reached only from this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def build_settings(
    options: Options, data: DataDir, catalog: Catalog, port: int, location: S3Location
) -> Settings:
    """Return the service's settings: options first, then the environment, then this edition's defaults.

    Raises ConfigurationError naming the variable that is wrong.
    """
    filled: dict[str, Any] = {
        "database_url": data.database_url,
        "source": f"urn:reelzero:{socket.gethostname()}",
        "public_url": f"http://{reachable(options.host, socket.gethostname())}:{port}",
        "endpoints": endpoints(catalog, options.models),
        "webhook_secrets": (data.webhook_secret(),),
        # Other users of this machine reach the predictors' ports too.
        "predictor_token": secrets.token_urlsafe(32),
        "auth": "open" if options.is_private else "required",
    }
    chosen: dict[str, Any] = {
        "host": options.host,
        "port": port,
        "s3_bucket": location.bucket,
        "s3_endpoint": location.endpoint,
        "s3_region": location.region,
    }
    if options.models:
        chosen["endpoints"] = endpoints(catalog, options.models)
    if options.steps_dir:
        chosen["steps_dir"] = options.steps_dir
    if options.sink_url:
        chosen["sink_url"] = options.sink_url
    steps_dir = options.steps_dir or os.environ.get(PREFIX + "STEPS_DIR") or None
    filled["step_endpoints"] = step_endpoints(load_step_types(Path(steps_dir) if steps_dir else None))
    settings = read(Settings, **(_missing(filled) | chosen))
    # A receiver or a web server under development runs on this machine. A public service must not call
    # addresses inside it.
    own = OWN_NETWORKS if options.is_private else ()
    allow = {name: getattr(settings, name) + own for name in ("webhook_allow", "picture_allow")}
    return settings.model_copy(update=allow)


def endpoints(catalog: Catalog, models: tuple[str, ...] = ()) -> tuple[Endpoint, ...]:
    """Return one lane per model; the first is the default. Raises InvalidRequest for an unknown model."""
    if models:
        return tuple(Endpoint(model=catalog.get(name).name) for name in models)
    first = default_model(catalog)
    return tuple(Endpoint(model=name) for name in [first, *(n for n in catalog.names() if n != first)])


def step_endpoints(types: StepTypes) -> tuple[StepEndpoint, ...]:
    """Return one endpoint, of all types that run on this machine."""
    return (StepEndpoint(name=NAME, types=tuple(commands(types.values())), capacity=slots()),)


def default_model(catalog: Catalog) -> str:
    """Return the first bundled model, which needs no download, or else `tiny`."""
    bundled = [entry.name for entry in catalog.entries() if entry.bundled]
    return (bundled or [FALLBACK_MODEL])[0]


def _missing(filled: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the environment does not set."""
    return {key: value for key, value in filled.items() if PREFIX + key.upper() not in os.environ}


def reachable(host: str, instead: str) -> str:
    """Return the host as a URL writes it; `instead` for an address that means all addresses."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return instead
    return f"[{host}]" if ":" in host else host
