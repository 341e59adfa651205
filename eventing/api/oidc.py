"""OIDC tokens, such as a Knative Trigger sends: a JWT of one issuer for one audience, its subject an owner.

The issuer's keys are found by OpenID Connect discovery (or at a URL of its own), kept for a while, and looked
up again when a token names a key that is not known yet: issuers rotate them.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import Any

import aiohttp
import jwt

from eventing.contract.errors import Unauthorized, Unavailable
from eventing.settings import Settings, pairs

KEEP_SECONDS = 600.0
PAUSE_SECONDS = 10.0  # between lookups, so that made-up key ids cost the issuer nothing
FETCH_SECONDS = 10.0
LEEWAY_SECONDS = 30.0
# By the kind of key, which the token's own header does not choose. Asymmetric only: a symmetric one would let
# anybody who can verify also sign.
ALGORITHMS = {
    "RSA": ["RS256", "RS384", "RS512", "PS256"],
    "EC": ["ES256", "ES384"],
    "OKP": ["EdDSA"],
}


def looks_like_token(credential: str) -> bool:
    """Whether a bearer credential is a JWT and not one of our keys."""
    return credential.count(".") == 2 and not credential.startswith("rz_")


class TokenVerifier:
    """Turns tokens into owners."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owners = pairs(settings.oidc_owners)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def enabled(self) -> bool:
        """Whether an issuer is configured."""
        return self._settings.oidc_issuer is not None

    async def owner_of(self, token: str) -> str:
        """The owner of the token's subject. Raises Unauthorized, Unavailable if the issuer is away."""
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token, key.key, algorithms=ALGORITHMS.get(key.key_type or "", []),
                audience=self._settings.oidc_audience,
                issuer=self._settings.oidc_issuer, leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise Unauthorized(f"this OIDC token is not valid: {error}") from error
        owner = self._owners.get(str(claims["sub"]))
        if owner is None:
            raise Unauthorized(f"the subject {claims['sub']} is not in REELZERO_OIDC_OWNERS")
        return owner

    async def _key(self, key_id: str | None) -> jwt.PyJWK:
        async with self._lock:
            age = time.monotonic() - self._fetched
            if age > KEEP_SECONDS or (key_id not in self._keys and age > PAUSE_SECONDS):
                self._keys = await self._fetch()
                self._fetched = time.monotonic()
        if key_id not in self._keys:
            raise jwt.InvalidKeyError("it is signed with a key the issuer does not publish")
        return self._keys[key_id]

    async def _fetch(self) -> dict[str | None, jwt.PyJWK]:
        try:
            async with aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS), headers=self._headers()
            ) as session:
                url = self._settings.oidc_jwks_url or await self._discover(session)
                keys = jwt.PyJWKSet.from_dict(await self._get(session, url)).keys
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, jwt.PyJWTError) as error:
            raise Unavailable(
                f"the OIDC issuer's keys cannot be fetched: {error or type(error).__name__}", retry_after=5
            ) from error
        return {key.key_id: key for key in keys}

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        issuer = (self._settings.oidc_issuer or "").rstrip("/")
        return str((await self._get(session, f"{issuer}/.well-known/openid-configuration"))["jwks_uri"])

    async def _get(self, session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
        async with session.get(url, ssl=self._tls()) as answer:
            answer.raise_for_status()
            # Kubernetes serves its keys as application/jwk-set+json.
            document: dict[str, Any] = json.loads(await answer.text())
            return document

    def _tls(self) -> ssl.SSLContext | bool:
        path = self._settings.oidc_ca_file
        return ssl.create_default_context(cafile=str(path)) if path else True

    def _headers(self) -> dict[str, str]:
        path = self._settings.oidc_token_file
        return {"Authorization": f"Bearer {path.read_text().strip()}"} if path else {}
