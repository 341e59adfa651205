"""Verify OIDC tokens, such as a Knative Trigger sends: a JWT of one issuer for one audience.

REELZERO_OIDC_OWNERS maps the token's subject to an owner.
"""

from __future__ import annotations

import jwt

from eventing.api.callers.jwks import IssuerKeys
from eventing.contract.errors import Unauthorized
from eventing.settings import Settings, pairs

LEEWAY_SECONDS = 30.0
# By the type of the key, which the token's own header cannot choose. Asymmetric only: with a symmetric key
# everyone who can verify a token could also sign one.
ALGORITHMS = {
    "RSA": ["RS256", "RS384", "RS512", "PS256"],
    "EC": ["ES256", "ES384"],
    "OKP": ["EdDSA"],
}


def looks_like_token(credential: str) -> bool:
    """Tell whether a bearer credential is a JWT and not an API key (rz_…)."""
    return credential.count(".") == 2 and not credential.startswith("rz_")


class TokenVerifier:
    """Verifies tokens and maps their subjects to owners."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owners = pairs(settings.oidc_owners)
        self._keys = IssuerKeys(settings)

    @property
    def enabled(self) -> bool:
        """Tell whether an issuer is configured."""
        return self._settings.oidc_issuer is not None

    async def owner_of(self, token: str) -> str:
        """Return the owner of the token's subject. Raises Unauthorized, Unavailable if the issuer is away."""
        try:
            key = await self._keys.get(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token, key.key, algorithms=ALGORITHMS.get(key.key_type or "", []),
                audience=self._settings.oidc_audience,
                issuer=self._settings.oidc_issuer, leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, OverflowError) as error:
            raise Unauthorized(f"this OIDC token is not valid: {error}") from error
        owner = self._owners.get(str(claims["sub"]))
        if owner is None:
            raise Unauthorized(f"the subject {claims['sub']} is not in REELZERO_OIDC_OWNERS")
        return owner
