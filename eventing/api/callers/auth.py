"""Identify the caller by an API key or an OIDC token, and limit submissions per owner."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from typing import Annotated

from fastapi import Depends, Request

from eventing.api.callers.oidc import TokenVerifier, looks_like_token
from eventing.api.dependencies import Container, ContainerDep
from eventing.contract.errors import Forbidden, TooLarge, TooMany, Unauthorized
from eventing.contract.records.models import HIGHEST_PRIORITY
from eventing.domain.job import LOCAL_OWNER
from eventing.metrics.requests import RATE, REFUSED

MAX_BUCKETS = 10_000


class RateLimit:
    """One token bucket per owner, in memory. Each replica allows the whole rate, so it is no quota."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._burst = float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, *owners: str) -> None:
        """Take one token per name in `owners`: all of them or none.

        Raises TooMany with the seconds until there are enough tokens, TooLarge if a bucket holds fewer.
        """
        now = time.monotonic()
        counts = Counter(owners)
        left = {owner: self._tokens(owner, now) - count for owner, count in counts.items()}
        if max(counts.values(), default=0) > self._burst:
            raise TooLarge(f"one request may hold {self._burst:g} submissions at most, the limit per minute")
        if (short := -min(left.values(), default=0)) > 0:
            REFUSED.labels(RATE).inc()
            limit = f"{self._burst:g} submissions a minute"
            raise TooMany(f"more than {limit}", retry_after=short / self._rate)
        for owner, tokens in left.items():
            self._keep(owner, tokens, now)

    def _tokens(self, owner: str, now: float) -> float:
        tokens, at = self._buckets.get(owner, (self._burst, now))
        return min(self._burst, tokens + (now - at) * self._rate)

    def _keep(self, owner: str, tokens: float, now: float) -> None:
        self._buckets[owner] = (tokens, now)
        self._buckets.move_to_end(owner)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)


def api_key(request: Request) -> str | None:
    """Return the key in `Authorization: Bearer …` or `X-API-Key`."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.headers.get("x-api-key")


def carries_credentials(request: Request) -> bool:
    """Tell whether the request has a key or token, which a redirect could carry to another host."""
    return any(name in request.headers for name in ("authorization", "x-api-key"))


async def identify(request: Request, container: Container) -> str | None:
    """Return the owner of the key or OIDC token; None if the request carries neither.

    `request.state.max_priority` is then the highest priority that the caller may ask for, and `may_operate`
    tells whether /v1/operate answers. Raises Unauthorized for a key or token that is not valid, Unavailable
    if a token cannot be checked now.
    """
    key = api_key(request)
    is_open = container.settings.auth == "open"
    request.state.max_priority = HIGHEST_PRIORITY if is_open else 0
    request.state.may_operate = is_open
    if key is None:
        return None
    tokens: TokenVerifier = request.app.state.tokens
    if tokens.enabled and looks_like_token(key):
        return await tokens.owner_of(key)
    known = await container.keys.find(key)
    if known is None and not is_open:
        raise Unauthorized("this API key is not valid")
    if known is None:
        return LOCAL_OWNER
    request.state.max_priority, request.state.may_operate = known.max_priority, known.may_operate
    return known.owner


async def owner_of(request: Request, container: ContainerDep) -> str:
    """Return the caller. Raises Unauthorized."""
    owner = await identify(request, container) or anonymous_owner(container)
    if owner is None:
        raise Unauthorized("an API key is needed: Authorization: Bearer rz_…")
    return owner


def anonymous_owner(container: Container) -> str | None:
    """Return the owner of requests without a key: LOCAL_OWNER with auth=open, else None."""
    return LOCAL_OWNER if container.settings.auth == "open" else None


Owner = Annotated[str, Depends(owner_of)]


async def operator_of(request: Request, owner: Owner) -> str:
    """Return a caller that may operate. Raises Unauthorized, Forbidden."""
    if not request.state.may_operate:
        raise Forbidden(
            "this key has no right to operate; `reelzero keys create OWNER --operate` makes one that has it"
        )
    return owner


async def limit_rate(request: Request, owner: Owner) -> str:
    """Return the caller after counting one submission. Raises TooMany."""
    limit: RateLimit = request.app.state.rate_limit
    limit.take(owner)
    return owner
