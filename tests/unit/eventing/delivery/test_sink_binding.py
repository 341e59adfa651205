"""What a SinkBinding injects is used, and for no other sink: its CA, its token as it rotates, extensions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.contract.storage.s3_http import ObjectClient
from eventing.delivery.sender import Sender
from eventing.delivery.sink_binding import SinkBinding
from eventing.domain import destinations
from eventing.settings import Settings
from eventing.store.outbox import OutboxMessage
from tests.support.authority import Authority
from tests.support.guarded_sink import GuardedSink, guarded_sink, mount

BODY = '{"specversion": "1.0", "id": "1"}'
EVENT = OutboxMessage("msg_1", "e", "t", "j", "o", destinations.Sink(), BODY, 0, "pending", None, 0, 0, None)


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[GuardedSink]:
    async with guarded_sink(tmp_path) as sink:
        yield sink


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that stands for /oidc/token."""
    file = tmp_path / "oidc" / "token"
    file.parent.mkdir()
    monkeypatch.setattr("eventing.delivery.sink_binding.TOKEN_FILE", file)
    return file


@pytest.fixture
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for /knative-custom-certs."""
    folder = tmp_path / "custom-certs"
    folder.mkdir()
    monkeypatch.setattr("eventing.delivery.sink_binding.BUNDLES", folder)
    return folder


@asynccontextmanager
async def bound(environment: dict[str, str], **settings: Any) -> AsyncIterator[Sender]:
    """A sender in a pod that has these variables of a SinkBinding."""
    chosen = read(Settings, **settings)
    binding = SinkBinding(chosen, environment)
    sender = Sender(
        chosen.model_copy(update={"sink_url": binding.url}),
        ObjectClient(Bucket(S3Location("b", "http://x"))),
        binding,
    )
    try:
        yield sender
    finally:
        await sender.close()


def injected(sink: GuardedSink, **changes: str) -> dict[str, str]:
    return {"K_SINK": sink.url, "K_CA_CERTS": sink.authority.pem, "K_CE_OVERRIDES": ""} | changes


async def test_a_token_that_rotates_is_read_for_every_event(sink: GuardedSink, token_file: Path) -> None:
    overrides = '{"extensions": {"tenant": "blue"}}'
    async with bound(injected(sink, K_CE_OVERRIDES=overrides)) as sender:
        for _ in range(3):
            mount(token_file, sink.token() + "\n")
            assert (await sender.send(EVENT)).ok
    event = sink.events.get_nowait()
    assert (event["id"], event["tenant"]) == ("1", "blue")
    assert (sink.events.qsize(), sink.refused) == (2, 0)


async def test_an_old_token_a_foreign_one_and_none_are_refused_and_tried_again(
    sink: GuardedSink, token_file: Path
) -> None:
    async with bound(injected(sink)) as sender:
        outcomes = [await sender.send(EVENT)]
        mount(token_file, sink.token())
        sink.token()
        outcomes.append(await sender.send(EVENT))
        mount(token_file, sink.token("knative.dev/broker/elsewhere"))
        outcomes.append(await sender.send(EVENT))
        assert [(outcome.http_status, outcome.final) for outcome in outcomes] == [(401, False)] * 3
        mount(token_file, sink.token())
        assert (await sender.send(EVENT)).ok


async def test_a_sink_of_an_unknown_authority_gets_nothing(sink: GuardedSink, token_file: Path) -> None:
    mount(token_file, sink.token())
    async with bound({"K_SINK": sink.url}) as sender:
        outcome = await sender.send(EVENT)
    assert not outcome.ok and not outcome.final and "certificate" in (outcome.error or "").lower()
    assert (sink.events.empty(), sink.refused) == (True, 0)


async def test_bundles_of_the_cluster_are_trusted_as_soon_as_they_are_there(
    sink: GuardedSink, token_file: Path, bundles: Path, tmp_path: Path
) -> None:
    mount(token_file, sink.token())
    async with bound({"K_SINK": sink.url}) as sender:
        assert not (await sender.send(EVENT)).ok
        (bundles / "broken.pem").write_text("no certificate")
        assert str(bundles / "broken.pem") in str((await sender.send(EVENT)).error)
        (bundles / "broken.pem").write_text(Authority(tmp_path, "another").pem)
        (bundles / "company.pem").write_text(sink.authority.pem)
        assert (await sender.send(EVENT)).ok


async def test_the_token_of_a_binding_goes_to_no_other_sink(sink: GuardedSink, token_file: Path) -> None:
    mount(token_file, sink.token())
    ca = token_file.with_name("ca.pem")
    ca.write_text(sink.authority.pem)
    environment = injected(sink, K_SINK="http://broker-ingress.knative-eventing.svc/a/b")
    async with bound(environment, sink_url=sink.url, sink_ca_file=ca) as sender:
        assert (await sender.send(EVENT)).http_status == 401
    own = token_file.with_name("own")
    async with bound(environment, sink_url=sink.url, sink_ca_file=ca, sink_token_file=own) as sender:
        assert str(own) in str((await sender.send(EVENT)).error)
        mount(own, sink.token())
        assert (await sender.send(EVENT)).ok


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("K_CA_CERTS", "not PEM"),
        ("K_CE_OVERRIDES", "not JSON"),
        ("K_CE_OVERRIDES", "[]"),
        ("K_CE_OVERRIDES", '{"extensions": []}'),
        ("K_CE_OVERRIDES", '{"extensions": {"tenant": ["blue"]}}'),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        SinkBinding(read(Settings), {"K_SINK": "https://broker.example.org", name: value})


def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    for content in ("no certificate", None):
        file = tmp_path / f"{content}.pem"
        if content:
            file.write_text(content)
        with pytest.raises(ConfigurationError, match=r"^REELZERO_SINK_CA_FILE: .*\.pem"):
            SinkBinding(read(Settings, sink_url="https://sink.example.org", sink_ca_file=file), {})


@pytest.mark.parametrize("text", ["", "{}", "null", '{"extensions": null}'])
def test_a_binding_without_overrides_changes_no_event(text: str) -> None:
    binding = SinkBinding(read(Settings), {"K_SINK": "http://broker", "K_CE_OVERRIDES": text})
    assert (binding.url, binding.extensions) == ("http://broker", {})
