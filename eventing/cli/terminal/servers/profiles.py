"""Find the server and the key of a command: option, environment, profile, a service of this folder.

Profiles are in `~/.config/reelzero/profiles.json`, which only its owner can read. `reelzero login` writes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from eventing.cli.terminal.servers.machine import running_service
from eventing.client.async_client import DEFAULT_SERVER
from eventing.contract.errors import InvalidRequest

DEFAULT = "default"
DATA_DIR = ".reelzero"  # of `reelzero up`; data_dir.py would import the database


@dataclass(frozen=True)
class Target:
    """A server and the key for it."""

    server: str
    api_key: str | None = None


def find_target(server: str | None, profile: str | None, environment: Mapping[str, str]) -> Target:
    """Return the server of a command and its key. Raises InvalidRequest for an unknown profile.

    A key of a profile goes to the server of that profile only.
    """
    key = environment.get("REELZERO_API_KEY", "").strip() or None
    if address := server or (not profile and environment.get("REELZERO_SERVER")):
        return Target(_address(address), key)
    name = profile or environment.get("REELZERO_PROFILE")
    stored = read_profiles(environment)
    if name and name not in stored:
        known = ", ".join(sorted(stored)) or "there is none"
        raise InvalidRequest(
            f"--profile: there is no profile {name}; known: {known}. `reelzero login` makes one",
            field="--profile",
        )
    if chosen := stored.get(name or DEFAULT):
        return Target(chosen.server, key or chosen.api_key)
    here = running_service(Path(environment.get("REELZERO_DATA_DIR") or DATA_DIR))
    return Target(here[1] if here else DEFAULT_SERVER, key)


def read_profiles(environment: Mapping[str, str]) -> dict[str, Target]:
    """Return the stored profiles by name. Raises InvalidRequest if their file is not what was written."""
    path = profiles_path(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error
    try:
        return {str(name): Target(**fields) for name, fields in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{path} holds no profiles; remove it, and call `reelzero login`") from error


def save_profile(name: str, target: Target, environment: Mapping[str, str]) -> Path:
    """Store a profile, for its owner's eyes only. Raises OSError, InvalidRequest."""
    path = profiles_path(environment)
    profiles = read_profiles(environment) | {name: target}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.touch(mode=0o600)
    text = json.dumps({name: asdict(target) for name, target in profiles.items()}, indent=2)
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def profiles_path(environment: Mapping[str, str]) -> Path:
    """Return the file of the profiles, by the rule of XDG."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "reelzero" / "profiles.json"


def _address(text: str) -> str:
    """Return the URL of a server. Raises InvalidRequest; a bare host and port are http."""
    address = text if "://" in text else f"http://{text}"
    if not address.startswith(("http://", "https://")):
        raise InvalidRequest(
            f"--server: {text} must be an http:// or https:// address, such as {DEFAULT_SERVER}",
            field="--server",
        )
    return address.rstrip("/")
