"""Fetch and keep the signing keys of an OIDC issuer, with one fetch for all waiting requests.

A known key is returned at once; keys older than KEEP_SECONDS are refreshed in the background. Only an unknown
key id waits for a fetch. After a fetch, successful or not, none starts for PAUSE_SECONDS, so requests with
invented key ids neither load the issuer nor delay other callers.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import Any

import aiohttp
import jwt

from eventing.contract.errors import Unavailable
from eventing.settings import Settings

KEEP_SECONDS = 600.0
MAX_AGE_SECONDS = 3600.0  # an issuer that cannot be reached for longer may have revoked a key
PAUSE_SECONDS = 10.0
FETCH_SECONDS = 10.0  # for discovery and keys together
DOCUMENT_BYTES = 1 << 20
Keys = dict[str | None, jwt.PyJWK]


class WrongDocument(ValueError):
    """The issuer's discovery document or key set does not follow OpenID Connect."""


class IssuerKeys:
    """The keys of the configured issuer by their ids."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: Keys = {}
        self._fetched_at = self._ended_at = float("-inf")
        self._failure: str | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, key_id: str | None) -> jwt.PyJWK:
        """Return a key. Raises InvalidKeyError if the issuer publishes no such key, Unavailable."""
        age = time.monotonic() - self._fetched_at
        if age > MAX_AGE_SECONDS or key_id not in self._keys:
            await self._refresh()
        elif age > KEEP_SECONDS:
            self._begin()
        if key_id in self._keys and time.monotonic() - self._fetched_at <= MAX_AGE_SECONDS:
            return self._keys[key_id]
        if self._failure is not None:
            left = self._ended_at + PAUSE_SECONDS - time.monotonic()
            raise Unavailable(
                f"the OIDC issuer's keys cannot be fetched: {self._failure}", retry_after=max(1.0, left)
            )
        raise jwt.InvalidKeyError("it is signed with a key the issuer does not publish")

    async def _refresh(self) -> None:
        if task := self._begin():
            await asyncio.shield(task)  # other requests wait for it too

    def _begin(self) -> asyncio.Task[None] | None:
        """Start a fetch, or join the running one; None during the pause after the last."""
        if self._fetching is None and time.monotonic() - self._ended_at >= PAUSE_SECONDS:
            self._fetching = asyncio.create_task(self._fetch(), name="OIDC keys")
        return self._fetching

    async def _fetch(self) -> None:
        """Never raises, so that it may end without a waiter."""
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = await self._published()
            self._fetched_at, self._failure = time.monotonic(), None
        except TimeoutError:
            self._failure = f"no answer within {FETCH_SECONDS:g} s"
        except (aiohttp.ClientError, OSError, ValueError, jwt.PyJWTError) as error:
            self._failure = str(error) or type(error).__name__
        finally:
            self._ended_at, self._fetching = time.monotonic(), None

    async def _published(self) -> Keys:
        async with aiohttp.ClientSession(headers=self._headers()) as session:
            url = self._settings.oidc_jwks_url or await self._discover(session)
            entries = (await self._document(session, url)).get("keys")
        if not isinstance(entries, list):
            raise WrongDocument(f"{url} has no list of keys")
        usable = [entry for entry in entries if isinstance(entry, dict) and _has_plain_id(entry)]
        return {key.key_id: key for key in jwt.PyJWKSet(usable).keys}

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        url = f"{(self._settings.oidc_issuer or '').rstrip('/')}/.well-known/openid-configuration"
        address = (await self._document(session, url)).get("jwks_uri")
        if not isinstance(address, str):
            raise WrongDocument(f"{url} names no jwks_uri")
        return address

    async def _document(self, session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
        """Read a JSON object. The media type is not checked: Kubernetes has one of its own for keys."""
        async with session.get(url, ssl=self._tls()) as answer:
            answer.raise_for_status()
            text = bytearray()
            async for chunk in answer.content.iter_chunked(1 << 16):
                text += chunk
                if len(text) > DOCUMENT_BYTES:
                    raise WrongDocument(f"{url} is larger than {DOCUMENT_BYTES} bytes")
        try:
            document = json.loads(text)
        except RecursionError as error:
            raise WrongDocument(f"{url} is nested too deeply") from error
        if not isinstance(document, dict):
            raise WrongDocument(f"{url} is not a JSON object")
        return document

    def _tls(self) -> ssl.SSLContext | bool:
        path = self._settings.oidc_ca_file
        return ssl.create_default_context(cafile=str(path)) if path else True

    def _headers(self) -> dict[str, str]:
        path = self._settings.oidc_token_file
        return {"Authorization": f"Bearer {path.read_text().strip()}"} if path else {}


def _has_plain_id(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("kid"), str | None)
