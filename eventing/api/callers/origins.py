"""Refuse web pages of other origins where no API key is needed (auth=open).

Without keys only the loopback interface protects the service, and a browser on this machine reaches that. Two
checks keep pages of other origins out. The Host header must be a loopback address, which a rebound DNS name
is not. The browser's headers Origin and Sec-Fetch-Site must not name another origin. A link to the page stays
allowed: a top-level GET changes nothing, and the other page cannot read the answer.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from eventing.api.answers.problems import answer
from eventing.contract.errors import Forbidden


class OriginCheck:
    """ASGI middleware. `allowed_hosts` are host names that are served beside loopback."""

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(hostname(host) for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "http" and (message := self._refusal(scope["method"], Headers(scope=scope))):
            # The body is not read: the connection ends with the answer.
            refusal = answer(Forbidden(message), scope, {"Connection": "close"})
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        hosts = headers.getlist("host")
        if wrong := next((host for host in hosts if not self._serves(hostname(host))), None):
            return (
                f"Host {wrong[:256]!r} is not served: without API keys only loopback addresses are; list more"
                " hosts in REELZERO_ALLOWED_HOSTS"
            )
        for origin in headers.getlist("origin"):
            if not self._same(origin, hosts):
                return (
                    f"requests from pages of {origin[:256]!r} are refused; REELZERO_ALLOWED_HOSTS lists hosts"
                )
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not (
            "origin" in headers or _is_link(method, headers)
        ):
            return "requests from pages of another origin are refused"
        return None

    def _serves(self, name: str) -> bool:
        return name in self._allowed or _is_loopback(name)

    def _same(self, origin: str, hosts: list[str]) -> bool:
        netloc = urlsplit(origin).netloc if origin.startswith(("http://", "https://")) else ""
        return bool(netloc) and (netloc in hosts or hostname(netloc) in self._allowed)


def hostname(host: str) -> str:
    """Return the name in a Host header, in lower case, without port and brackets; empty if there is none."""
    try:
        name = urlsplit(f"//{host.strip()}").hostname or ""
        return name.removesuffix(".")
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_link(method: str, headers: Headers) -> bool:
    """Tell whether the request opens a page in a tab, by a link from elsewhere."""
    navigates = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return navigates and method in ("GET", "HEAD")
