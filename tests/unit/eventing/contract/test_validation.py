"""One mistake has one sentence, at every door and in settings and the catalog."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from eventing.api.videos import openai
from eventing.contract.catalog import load_catalog
from eventing.contract.codecs.stream import GenerateBody
from eventing.contract.codecs.validation import validated
from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError, InvalidRequest
from eventing.contract.records.models import JobRequest, VideoRequest
from eventing.jobs import parse_request
from eventing.settings import Settings

OK = {"prompt": "a red circle"}
SENTENCES = {
    "a blank prompt": (OK | {"prompt": " "}, "prompt", "prompt: must contain at least one word"),
    "NUL": (OK | {"prompt": "a\x00"}, "prompt", "prompt: must not contain NUL characters"),
    "no prompt": ({}, "prompt", "prompt: Field required"),
    "no object": ([OK], None, "body: must be a JSON object"),
}


@pytest.mark.parametrize(("data", "field", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_one_mistake_has_one_sentence(data: Any, field: str | None, sentence: str) -> None:
    for door in (parse_request, openai.parse, lambda data: validated(VideoRequest, data)):
        with pytest.raises(InvalidRequest) as error:
            door(data)
        assert (error.value.field, error.value.message) == (field, sentence)


@pytest.mark.parametrize("model", [VideoRequest, JobRequest, openai.VideoCreate, GenerateBody])
@pytest.mark.parametrize("surplus", [1, 80_000])
def test_an_unknown_field_is_named_with_the_known_ones(model: Any, surplus: int) -> None:
    complete = {"text_input": "x"} if model is GenerateBody else OK
    with pytest.raises(InvalidRequest) as error:
        validated(model, complete | {f"colour{number}": 1 for number in range(surplus)})
    assert error.value.field == "colour0"
    known = ", ".join(sorted(model.model_fields))
    assert error.value.message == f"colour0: unknown field; known: {known}"


@pytest.mark.parametrize("surplus", [1, 80_000])
def test_only_one_of_many_mistakes_is_described(surplus: int) -> None:
    """Describing 80,000 mistakes takes a second, so a record stops at the first surplus field."""
    for data in ({str(n): 1 for n in range(surplus)}, {"metadata": {str(n): 1 for n in range(16 + surplus)}}):
        with pytest.raises(InvalidRequest) as error:
            parse_request(OK | data)
        errors = error.value.__cause__.errors()  # type: ignore[union-attr]  # the cause is pydantic's
        assert len(errors) == 1


@pytest.mark.parametrize("surplus", [1, 80_000])
def test_only_one_of_many_mistakes_inside_a_field_is_described(surplus: int) -> None:
    many = {str(number): 1 for number in range(surplus)}
    wrong = {
        "loras": ([{"name": "ink", "scale": 1} | many], [1] * surplus),
        "lora": ({"name": "ink", "scale": 1} | many,),
        "frame_images": ([{"type": "image_url", "image_url": "https://a.example"} | many], [1] * surplus),
    }
    data = [OK | {name: value} for name, values in wrong.items() for value in values]
    doors = [(openai.parse, body) for body in data] + [(openai.parse_remix, OK | many)]
    for door, body in doors:
        with pytest.raises(InvalidRequest) as error:
            door(body)
        assert len(error.value.__cause__.errors()) == 1  # type: ignore[union-attr]  # the cause is pydantic's


def test_no_error_quotes_the_input() -> None:
    place = "zan" + "zibar"  # tracebacks quote this line
    with pytest.raises(InvalidRequest) as error:
        parse_request({"prompt": place * 1000, "negative_prompt": [place]})
    assert place not in "".join(traceback.format_exception(error.value))


def test_a_wrong_setting_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELZERO_ENDPOINTS", '[{"model": "tiny", "capacity": "zanzibar"}]')
    with pytest.raises(ConfigurationError) as error:
        read(Settings)
    assert error.value.field == "REELZERO_ENDPOINTS"
    assert error.value.message.startswith("REELZERO_ENDPOINTS: 0: capacity: Input should be a valid integer")
    assert "zanzibar" not in "".join(traceback.format_exception(error.value))


def test_a_rule_over_settings_is_a_plain_sentence() -> None:
    with pytest.raises(ConfigurationError) as error:
        read(Settings, endpoints=[{"model": "tiny"}, {"model": "tiny"}])
    assert error.value.message == "endpoints: a model and lane may appear once"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("name: Tiny", "name: String should match"), ("[]", "the entry: must be"), ("a: [", "not valid")],
)
def test_a_wrong_catalog_entry_is_named_in_one_line(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        load_catalog(tmp_path)
    assert str(path) in error.value.message and wrong in error.value.message
    assert error.value.field == "REELZERO_CATALOG_DIR"
