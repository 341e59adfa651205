"""Options, environment and what the edition fills in: who wins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.errors import InvalidRequest
from eventing.contract.http.ssrf import AddressPolicy
from eventing.contract.storage.s3 import S3Location
from eventing.settings import Settings
from eventing.standalone.data.data_dir import DataDir, open_data_dir
from eventing.standalone.options import Options, build_settings, default_model, endpoints

S3 = S3Location("reelzero", "http://127.0.0.1:9")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDir]:
    with open_data_dir(tmp_path) as data:
        yield data


def settings(data: DataDir, **changes: object) -> Settings:
    return build_settings(Options(**changes), data, load_catalog(), 8081, S3)  # type: ignore[arg-type]


def test_what_is_filled_in(data: DataDir) -> None:
    made = settings(data)
    assert made.database_url == f"sqlite+aiosqlite:///{data.path}/reelzero.db"
    assert made.public_url == "http://127.0.0.1:8081"
    assert made.source.startswith("urn:reelzero:")
    assert made.webhook_secrets == (data.webhook_secret(),)
    assert made.s3() == S3
    assert made.auth == "open"


def test_the_environment_wins_over_what_is_filled_in(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELZERO_PUBLIC_URL", "https://video.example")
    monkeypatch.setenv(
        "REELZERO_ENDPOINTS", '[{"model": "tiny", "lane": "short"}, {"model": "tiny", "lane": "long"}]'
    )
    monkeypatch.setenv("REELZERO_AUTH", "required")
    made = settings(data)
    assert made.public_url == "https://video.example"
    assert [endpoint.lane for endpoint in made.endpoints] == ["short", "long"]
    assert made.auth == "required"


def test_options_win_over_the_environment(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELZERO_ENDPOINTS", '[{"model": "tiny"}]')
    monkeypatch.setenv("REELZERO_SINK_URL", "http://theirs")
    made = settings(data, models=("ltx-video", "tiny"), sink_url="http://ours")
    assert [endpoint.model for endpoint in made.endpoints] == ["ltx-video", "tiny"]
    assert made.sink_url == "http://ours"


@pytest.mark.parametrize(
    ("host", "private"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("video.example", False)],
)  # fmt: skip
def test_a_public_service_needs_keys_and_does_not_reach_in(data: DataDir, host: str, private: bool) -> None:
    made = settings(data, host=host)
    assert made.auth == ("open" if private else "required")
    assert AddressPolicy(made.webhook_allow).permits("127.0.0.1") is private


def test_the_default_model_needs_no_download() -> None:
    catalog = load_catalog()
    first = catalog.get(default_model(catalog))
    assert first.repository is None
    assert endpoints(catalog)[0].model == first.name
    assert {endpoint.model for endpoint in endpoints(catalog)} == set(catalog.names())


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(InvalidRequest, match="unknown model 'nonesuch'"):
        endpoints(load_catalog(), ("nonesuch",))
