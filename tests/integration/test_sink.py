"""A service that a SinkBinding has bound delivers to an HTTPS sink that demands a token, also a new one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from eventing.contract.env import read
from eventing.doctor.clusters import installation
from eventing.settings import Settings
from tests.integration.conftest import MakeStack
from tests.support.guarded_sink import GuardedSink, guarded_sink, mount

PATIENCE = 90.0  # only a hang gets there


async def completed(sink: GuardedSink) -> str:
    """The job of the next completed event."""
    async with asyncio.timeout(PATIENCE):
        while True:
            event = await sink.events.get()
            if event["type"].endswith("completed.v1"):
                job_id: str = event["subject"]
                return job_id


async def doctors_view() -> tuple[bool, str]:
    """What `reelzero doctor` finds of the sink."""
    settings = read(Settings, database_url="sqlite+aiosqlite:///none.db")
    (seen,) = [
        outcome for outcome in await installation.examine(settings, "not here") if outcome.name == "sink"
    ]
    return seen.ok, seen.text


async def test_events_reach_a_sink_of_a_private_authority_whatever_token_is_valid_now(
    make_stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file = tmp_path / "token"
    monkeypatch.setattr("eventing.delivery.sink_binding.TOKEN_FILE", token_file)
    async with guarded_sink(tmp_path) as sink:
        monkeypatch.setenv("K_SINK", sink.url)
        monkeypatch.setenv("K_CA_CERTS", sink.authority.pem)
        mount(token_file, sink.token())
        async with make_stack(sink_url=None) as stack:
            for _ in range(2):
                job_id = await stack.submit()
                assert await completed(sink) == job_id
                mount(token_file, sink.token())
        assert sink.refused == 0
        assert await doctors_view() == (True, f"{sink.url} answers (200)")
        sink.token()
        assert await doctors_view() == (False, f"{sink.url} answers (401)")
