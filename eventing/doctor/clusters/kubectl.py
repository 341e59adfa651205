"""Read a cluster through kubectl, with the rights of its user."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from eventing.contract.errors import ConfigurationError
from eventing.doctor.clusters.cluster import Unreadable
from eventing.doctor.clusters.resources import Resource
from eventing.doctor.objects.manifests import Body, items

AT_ONCE = 4
PATIENCE = 60.0  # seconds for one call; kubectl itself gives up on a request earlier
REQUEST_SECONDS = 30
UNKNOWN = ("doesn't have a resource type", "could not find the requested resource", "no matches for kind")


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the kubeconfig and context of the caller; None means its own defaults."""

    kubeconfig: Path | None = None
    context: str | None = None
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @staticmethod
    def is_here() -> bool:
        """Tell whether kubectl is on the PATH."""
        return shutil.which("kubectl") is not None

    async def every(self, resource: Resource, namespace: str | None) -> list[Body]:
        """Return all objects of a kind."""
        scope = ["--namespace", namespace] if namespace else ["--all-namespaces"]
        return items(await self._get(str(resource), *scope), "items")

    async def one(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return one object, None if there is none."""
        where = (str(resource), name, "--namespace", namespace, "--ignore-not-found")
        return await self._get(*where) or None

    async def _get(self, *arguments: str) -> Body:
        status, output, error = await self._run("get", *arguments, "--output", "json")
        if status and any(text in error for text in UNKNOWN):
            return {}
        if status:
            raise _failure(error)
        try:
            body = json.loads(output or "{}")
        except ValueError as wrong:
            raise ConfigurationError(f"kubectl get {arguments[0]} printed no JSON") from wrong
        return body if isinstance(body, dict) else {}

    async def _run(self, *arguments: str) -> tuple[int, str, str]:
        options = [f"--request-timeout={REQUEST_SECONDS}s"]
        options += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        options += [f"--context={self.context}"] if self.context else []
        async with self._slots:
            try:
                return await asyncio.to_thread(_run, [*arguments, *options])
            except subprocess.TimeoutExpired as late:
                raise ConfigurationError(f"kubectl {' '.join(arguments)} took over {PATIENCE:g} s") from late


def _run(arguments: list[str]) -> tuple[int, str, str]:
    """Run kubectl in this thread. A cancelled caller leaves it to end by itself within its time limit."""
    done = subprocess.run(  # noqa: S603 - no shell, and the caller's own kubectl
        ["kubectl", *arguments],  # noqa: S607 - the one on the PATH
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def _failure(error: str) -> Exception:
    """Return what kubectl's message means: about one kind, or about the whole cluster."""
    line = next((line for line in reversed(error.splitlines()) if line.strip()), "no message")
    if "(Forbidden)" in error:
        return Unreadable(f"not allowed: {line.partition('(Forbidden): ')[2] or line}")
    return ConfigurationError(f"kubectl: {line}")
