"""Tokens as a Knative Trigger sends them, from an issuer with discovery and rotating keys."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment
from tests.integration.api.test_cloudevents import STRUCTURED, event

SUBJECT = "system:serviceaccount:shop:video-trigger"
AUDIENCE = "https://reelzero.example.com/events"


class Issuer:
    """Publishes keys and signs with them."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.fetched, self.url = 0, ""
        self.curve = ec.generate_private_key(ec.SECP256R1())  # published as "curve", beside those that rotate
        self.rotate("one")
        self.hold: asyncio.Event | None = None  # keeps the keys back until it is set
        self.asked = asyncio.Event()
        self.answers: dict[str, str] = {}  # by path, in place of the right ones

    def rotate(self, key_id: str) -> None:
        self.keys = {key_id: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def token(self, key_id: str = "one", key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": SUBJECT, "exp": time.time() + 600} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.keys[key_id], algorithm=algorithm, headers={"kid": key_id})

    async def configuration(self, _: web.Request) -> web.Response:
        if text := self.answers.get("configuration"):
            return web.Response(text=text, content_type="application/json")
        return web.json_response({"issuer": self.url, "jwks_uri": self.url + "/jwks"})

    async def jwks(self, _: web.Request) -> web.Response:
        self.fetched += 1
        self.asked.set()
        if self.hold:
            await self.hold.wait()
        if text := self.answers.get("jwks"):
            return web.Response(text=text, content_type="application/json")
        one = [
            json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": key_id, "use": "sig"}
            for key_id, key in self.keys.items()
        ]
        one.append(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.curve.public_key())) | {"kid": "curve"})
        return web.json_response({"keys": one}, content_type="application/jwk-set+json")


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    it, app = Issuer(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", it.configuration)
    app.router.add_get("/jwks", it.jwks)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield it
    await runner.cleanup()


def header(**fields: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


async def deliver(service: Deployment, token: str, **changes: Any) -> int:
    headers = STRUCTURED | {"Authorization": f"Bearer {token}"}
    answer, _ = await service.call("POST", "/events", data=json.dumps(event(**changes)), headers=headers)
    return answer.status


def settings(it: Issuer, **changes: Any) -> dict[str, Any]:
    owners = f"{SUBJECT}=ann"
    return {
        "auth": "required",
        "oidc_issuer": it.url,
        "oidc_audience": AUDIENCE,
        "oidc_owners": owners,
    } | changes


async def test_a_trigger_is_known_by_its_token(tmp_path: Path, bucket: Bucket) -> None:
    async with issuer() as it, deployment(tmp_path, bucket, **settings(it)) as service:
        assert await deliver(service, it.token()) == 202
        ann = {"Authorization": f"Bearer {await service.service.container.keys.create('ann')}"}
        _, page = await service.call("GET", "/v1/jobs", headers=ann)
        assert len(page["data"]) == 1
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        bad = {
            "expired": it.token(exp=time.time() - 600),
            "for somebody else": it.token(aud="https://else.example.com"),
            "from another issuer": it.token(iss="https://evil.example.com"),
            "of an unknown subject": it.token(sub="system:serviceaccount:else:default"),
            "without an end": it.token(exp=None),
            "signed by another key": it.token(key=other),
            "not a token": "a.b.c",
            "unsigned": jwt.encode({"iss": it.url, "aud": AUDIENCE, "sub": SUBJECT}, "", algorithm="none"),
            "of a curve that names an RSA key": it.token("one", it.curve, "ES256"),
            "of RSA that names a curve": it.token("curve", other),
            "of another curve": it.token("curve", ec.generate_private_key(ec.SECP384R1()), "ES384"),
            "of a symmetric key": it.token("one", "s" * 32, "HS256"),
            "with endless brackets": base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.AAAA",
            "with a key id that is a list": header(alg="RS256", kid=["one"]) + ".e30.AAAA",
            "with an algorithm that is a list": header(alg=["RS256"], kid="one") + ".e30.AAAA",
        }
        assert await deliver(service, it.token("curve", it.curve, "ES256"), id="curve") == 202
        for name, token in bad.items():
            assert await deliver(service, token, id=name) == 401, name
        assert it.fetched == 1


async def test_new_keys_are_found_and_an_absent_issuer_is_a_503(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.api.callers.jwks.PAUSE_SECONDS", 0.0)
    async with issuer() as it:
        async with deployment(tmp_path, bucket, **settings(it)) as service:
            assert await deliver(service, it.token()) == 202
            it.rotate("two")
            assert await deliver(service, it.token("two"), id="2") == 202
            assert it.fetched == 2
    async with deployment(tmp_path, bucket, **settings(it, oidc_jwks_url="http://127.0.0.1:9/")) as service:
        assert await deliver(service, it.token("two"), id="3") == 503


WRONG = ["[]", '"x"', "5", "null", "true", "{}", "not JSON", "[" * 100_000, '{"keys": 5, "jwks_uri": 5}',
         '{"keys": [5, [], null], "jwks_uri": []}', '{"keys": [{}, {"kty": 5}, {"kid": []}], "jwks_uri": {}}',
         '{"keys": [{"kty": "RSA", "n": 5, "e": []}], "jwks_uri": "none"}', " " * (2 << 20)]  # fmt: skip


@pytest.mark.parametrize("document", ["configuration", "jwks"])
async def test_a_document_of_any_kind_is_a_503(tmp_path: Path, bucket: Bucket, document: str) -> None:
    async with issuer() as it:
        for number, text in enumerate(WRONG):
            it.answers = {document: text}
            folder = tmp_path / str(number)
            folder.mkdir()
            async with deployment(folder, bucket, **settings(it)) as service:
                assert await deliver(service, it.token()) == 503, text[:50]


async def test_one_key_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, bucket: Bucket) -> None:
    async with issuer() as it:
        good = json.loads((await it.jwks(None)).text or "")  # type: ignore[arg-type] # it reads no request
        it.answers = {"jwks": json.dumps({"keys": [5, {"kid": []}, {"kty": "new"}, *good["keys"]]})}
        async with deployment(tmp_path, bucket, **settings(it)) as service:
            assert await deliver(service, it.token()) == 202


async def test_a_made_up_key_id_delays_nobody_and_is_looked_up_once_for_all(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.api.callers.jwks.PAUSE_SECONDS", 0.0)
    async with issuer() as it, deployment(tmp_path, bucket, **settings(it)) as service:
        assert await deliver(service, it.token()) == 202
        it.hold = asyncio.Event()
        it.asked.clear()
        made_up = [jwt.encode({}, "s" * 32, headers={"kid": f"made-up-{n}"}) for n in range(5)]
        waiting = [asyncio.create_task(deliver(service, token, id=token)) for token in made_up]
        await it.asked.wait()
        monkeypatch.setattr(
            "eventing.api.callers.jwks.PAUSE_SECONDS", 3600.0
        )  # who comes late starts no fetch
        async with asyncio.timeout(300):  # it would wait for the issuer, which waits for us
            assert await deliver(service, it.token(), id="known") == 202
        it.hold.set()
        assert await asyncio.gather(*waiting) == [401] * 5
        assert it.fetched == 2


async def test_keys_that_are_old_are_used_while_they_are_fetched_again(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.api.callers.jwks.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("eventing.api.callers.jwks.KEEP_SECONDS", 0.0)
    async with issuer() as it, deployment(tmp_path, bucket, **settings(it)) as service:
        assert await deliver(service, it.token()) == 202
        it.hold = asyncio.Event()
        it.asked.clear()
        async with asyncio.timeout(300):
            assert await deliver(service, it.token(), id="2") == 202
            await it.asked.wait()
        it.hold.set()


async def test_a_failure_is_kept_for_a_while_and_a_hanging_issuer_is_given_up(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.api.callers.jwks.PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr("eventing.api.callers.jwks.FETCH_SECONDS", 0.2)
    async with issuer() as it, deployment(tmp_path, bucket, **settings(it)) as service:
        it.hold = asyncio.Event()
        for number in range(3):
            assert await deliver(service, it.token(), id=str(number)) == 503
        assert it.fetched == 1
        it.hold.set()


async def test_an_issuer_without_audience_is_a_configuration_error() -> None:
    from eventing.contract.env import read
    from eventing.contract.errors import ConfigurationError
    from eventing.settings import Settings

    with pytest.raises(ConfigurationError, match="REELZERO_OIDC_AUDIENCE"):
        read(Settings, oidc_issuer="https://x")
