"""An API server of Kubernetes that only reads: discovery, lists in pages and single objects, over TLS.

Lists have the shape of a real one: items of built-in kinds come without kind and apiVersion.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from eventing.doctor.clusters.resources import EVERYWHERE, SINGLE, WHERE_OURS, Resource
from tests.support.authority import Authority

TOKEN = "a-token-of-the-test"
BUILT_IN = ("", "apps", "autoscaling", "networking.k8s.io", "policy")
RESOURCES = {*EVERYWHERE, *WHERE_OURS, *(single.resource for single in SINGLE)}
Body = dict[str, Any]


@dataclass
class Cluster:
    """Objects, kinds that the cluster lacks, kinds that its user may not read, and what was requested."""

    objects: list[Body] = field(default_factory=list)
    lacks: set[str] = field(default_factory=set)
    denies: set[str] = field(default_factory=set)
    page: int = 20  # objects in one answer at most
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    ca: Path = Path()

    def empty(self) -> None:
        """Forget everything but the address."""
        self.objects, self.lacks, self.denies, self.requests = [], set(), set(), []

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Body]:
        """Status and body of a GET."""
        if path in ("/api", "/apis"):
            return 200, self._groups(path)
        resources = [item for item in RESOURCES if str(item) not in self.lacks]
        for version in {item.api_version for item in resources}:
            if path == _root(version):
                return 200, _resource_list(version, resources)
        for item in resources:
            if path.startswith(_root(item.api_version) + "/"):
                steps = path.removeprefix(_root(item.api_version) + "/").split("/")
                namespace, steps = (steps[1], steps[2:]) if steps[0] == "namespaces" else (None, steps)
                if steps[:1] == [item.plural]:
                    return self._read(item, namespace, steps[1:], query)
        return _status(404, "NotFound", "the server could not find the requested resource")

    def _groups(self, path: str) -> Body:
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        resources = [item for item in RESOURCES if str(item) not in self.lacks and item.group]
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [
                {
                    "name": group,
                    "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                    "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
                }
                for group, version in sorted({(item.group, item.version) for item in resources})
            ],
        }

    def _read(
        self, item: Resource, namespace: str | None, name: list[str], query: dict[str, list[str]]
    ) -> tuple[int, Body]:
        if str(item) in self.denies:
            user = 'User "system:serviceaccount:video:doctor"'
            return _status(
                403, "Forbidden", f'{item} is forbidden: {user} cannot list resource "{item.plural}"'
            )
        bodies = [
            body
            for body in self.objects
            if (body["apiVersion"], body["kind"]) == (item.api_version, item.kind)
            and namespace in (None, body["metadata"]["namespace"])
        ]
        if name:
            single = next((body for body in bodies if body["metadata"]["name"] == name[0]), None)
            return (200, single) if single else _status(404, "NotFound", f'{item} "{name[0]}" not found')
        start = int(query.get("continue", ["0"])[0])
        end = start + self.page
        following = str(end) if end < len(bodies) else ""
        hidden = {"kind", "apiVersion"} if item.group in BUILT_IN else set()
        return 200, {
            "kind": f"{item.kind}List",
            "apiVersion": item.api_version,
            "metadata": {"resourceVersion": "1", "continue": following},
            "items": [
                {key: value for key, value in body.items() if key not in hidden} for body in bodies[start:end]
            ],
        }

    def kubeconfig(self, folder: Path) -> Path:
        """A file by which kubectl finds this server."""
        path = folder / "kubeconfig"
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}
            ],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(yaml.safe_dump(body))
        return path


@contextmanager
def serving(cluster: Cluster, folder: Path) -> Iterator[Cluster]:
    """Serve a cluster on loopback while the block runs."""
    authority = Authority(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            split = urlsplit(self.path)
            cluster.requests.append((self.command, split.path))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, body = _status(401, "Unauthorized", "Unauthorized")
            else:
                status, body = cluster.answer(split.path, parse_qs(split.query))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def __getattr__(self, name: str) -> Any:
            """Take every method."""
            if name.startswith("do_"):
                return self.handle_any
            raise AttributeError(name)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = authority.server().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cluster.url = f"https://127.0.0.1:{server.server_address[1]}"
    cluster.ca = folder / "ca.crt"
    cluster.ca.write_text(authority.pem)
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Server(ThreadingHTTPServer):
    """Says nothing of callers that close their connection early."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _resource_list(version: str, resources: list[Resource]) -> Body:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {
                "name": item.plural,
                "singularName": item.kind.lower(),
                "namespaced": True,
                "kind": item.kind,
                "verbs": ["get", "list"],
            }
            for item in resources
            if item.api_version == version
        ],
    }


def _status(code: int, reason: str, message: str) -> tuple[int, Body]:
    return code, {
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "message": message, "code": code,
    }  # fmt: skip
