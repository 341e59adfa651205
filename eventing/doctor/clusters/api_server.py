"""Read the cluster around this pod from its API server, with the token of the pod's ServiceAccount."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from eventing.contract.errors import ConfigurationError
from eventing.doctor.clusters.cluster import Unreadable
from eventing.doctor.clusters.resources import Resource
from eventing.doctor.objects.manifests import Body, dig, items

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAGE = 500  # objects in one answer
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class ApiServer:
    """A session with the API server."""

    session: aiohttp.ClientSession

    @staticmethod
    def is_here() -> bool:
        """Tell whether this process runs in a pod that has a token."""
        return "KUBERNETES_SERVICE_HOST" in os.environ and (ACCOUNT / "token").is_file()

    async def every(self, resource: Resource, namespace: str | None) -> list[Body]:
        """Return all objects of a kind, page by page."""
        bodies: list[Body] = []
        following = ""
        while True:
            query = {"limit": str(PAGE)} | ({"continue": following} if following else {})
            body = await self._fetch(_path(resource, namespace), query)
            if body is None:
                return bodies
            bodies += items(body, "items")
            following = str(dig(body, "metadata", "continue") or "")
            if not following:
                return bodies

    async def one(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return one object, None if there is none."""
        return await self._fetch(f"{_path(resource, namespace)}/{name}", {})

    async def _fetch(self, path: str, query: dict[str, str]) -> Body | None:
        try:
            async with self.session.get(path, params=query) as answer:
                status, body = answer.status, await _body(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ConfigurationError(f"the API server cannot be reached: {reason}") from error
        message = str(dig(body, "message") or f"status {status}")
        if status == 403:
            raise Unreadable(f"not allowed: {message}")
        if status not in (200, 404):
            raise ConfigurationError(f"the API server answers GET {path} with {status}: {message}")
        return body if status == 200 else None


@asynccontextmanager
async def in_cluster() -> AsyncIterator[ApiServer]:
    """Open a session with the API server of this pod's cluster."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    base = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text(encoding='utf-8').strip()}"}
    trust = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(
        base, headers=headers, connector=connector, timeout=TIMEOUT, trust_env=False
    ) as session:
        yield ApiServer(session)


def _path(resource: Resource, namespace: str | None) -> str:
    root = f"/apis/{resource.group}" if resource.group else "/api"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}/{resource.version}{place}/{resource.plural}"


async def _body(answer: aiohttp.ClientResponse) -> Body:
    try:
        body = json.loads(await answer.read())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
