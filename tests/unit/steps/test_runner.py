"""The runner: files in, a command, files out; and what it does with commands that misbehave."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from steps.runner import settings
from tests.support.waiting import gone, processes_naming
from tests.unit.steps.running import Runner, Start
from tests.unit.steps.store import Store

COPY = "cp {inputs}/text {outputs}/text"
FORK = (
    "setsid sleep 300 & echo $! > {outputs}/text; setsid sh -c 'echo $$ > %(file)s; sleep 300' & "
    "while [ ! -s %(file)s ]; do sleep 0.01; done"
)


def test_a_command_gets_its_files_and_leaves_its_own(runner: Start, store: Store) -> None:
    line = (
        'echo progress 0.5; grep -o "3" {parameters} >> {outputs}/text; cat {inputs}/text >> {outputs}/text'
    )
    records = runner(step=line).run("step")
    stages = [(r["progress"]["stage"], r["progress"]["step"]) for r in records if r["type"] == "progress"]
    assert stages == [("download", 0), ("generate", 0), ("generate", 50), ("upload", 0)]
    assert store.files["/out"] == b"3\na red circle"
    result = records[-1]["step"]
    assert json.loads(store.files["/manifest"]) == result
    assert (result["job_id"], result["outputs"]["text"]["bytes"]) == ("j", 14)
    assert result["outputs"]["text"]["uri"] == "s3://b/out"


def test_many_files_of_one_input_keep_their_order(runner: Start, store: Store) -> None:
    files = [store.add(f"in{n}", f"{n};".encode()) for n in range(12)]
    runner(step="cat {inputs}/text/* > {outputs}/text").run("step", inputs={"text": files})
    assert store.files["/out"] == b"0;1;2;3;4;5;6;7;8;9;10;11;"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("echo it is broken; exit 3", "the command ended with status 3: it is broken"),
        ("kill -9 $$", "the command ended with SIGKILL, and wrote nothing"),
        ("true", "there is no output text, and wrote nothing"),
        ("ln -s /etc/hostname {outputs}/text", "there is no output text"),
        ("head -c 200000 /dev/zero > {outputs}/text", "wrote more than 100000 bytes of outputs"),
        ("head -c 3000000 /dev/zero | tr '\\0' x; exit 1", "the command ended with status 1: xxxx"),
        ("seq 1 100000; exit 1", "99981 | 99982"),
    ],
)
def test_a_command_that_misbehaves_fails_with_its_last_words(runner: Start, line: str, words: str) -> None:
    *_, last = runner(step=line).run("step")
    assert last["type"] == "failed"
    assert (last["error"]["code"], last["error"]["retryable"]) == ("step_failed", False)
    assert words in last["error"]["message"]
    assert len(last["error"]["message"]) < 50_000


PNG = b"\x89PNG\r\n\x1a\n and more"
WAVE = b"RIFF\0\0\0\0WAVEfmt "


@pytest.mark.parametrize(
    ("data", "media", "words"),
    [
        (PNG, ["video/*"], "inputs.text: is image/png, and video/* is needed"),
        (PNG, ["image/*"], ""),
        (WAVE, ["video/*", "image/*"], "inputs.text: is audio/wav, and video/* or image/* is needed"),
        (b"\0\0\0\x20ftypisom", ["audio/*"], ""),  # it may hold sound alone
        (b"\x1a\x45\xdf\xa3...", ["image/*"], "inputs.text: is video/x-matroska, and image/* is needed"),
        (b"a red circle", ["audio/*"], "inputs.text: is text/plain, and audio/* is needed"),
        (b'{"words": []}', ["application/json"], ""),
        (PNG, ["application/json"], "inputs.text: is image/png, and application/json is needed"),
        (b"\x93NUMPY\0\xff\xfe", ["video/*"], ""),  # nobody can tell
        (PNG, ["application/x-npz"], ""),
    ],
)
def test_an_input_of_the_wrong_kind_is_named_with_both_kinds(
    runner: Start, store: Store, data: bytes, media: list[str], words: str
) -> None:
    *_, last = runner(step="cat {inputs}/text >/dev/null; echo a > {outputs}/text").run(
        "step", inputs={"text": store.add("file", data) | {"media": media}}
    )
    assert last.get("error", {}).get("message", "") == words


def test_one_wrong_file_of_many_and_a_wrong_output_are_named(runner: Start, store: Store) -> None:
    files = [store.add(f"file{n}", data) | {"media": ["audio/*"]} for n, data in enumerate((WAVE, PNG))]
    one = runner(step="printf '\\211PNG\\r\\n\\032\\n' > {outputs}/text")
    *_, last = one.run("step", inputs={"text": files})
    assert last["error"]["message"] == "inputs.text[1]: is image/png, and audio/* is needed"
    *_, last = one.run("step")
    assert last["error"]["message"] == "outputs.text: is image/png, and text/plain is needed"


def test_a_command_that_is_not_there_is_named(tmp_path: Path, store: Store) -> None:
    one = Runner(tmp_path, store, step=["no-such-program"])
    *_, last = one.run("step")
    one.close()
    assert (
        last["error"]["message"] == "the command no-such-program cannot be started: No such file or directory"
    )


def test_children_that_left_are_gone_with_the_command(runner: Start, store: Store, tmp_path: Path) -> None:
    *_, last = runner(step=FORK % {"file": tmp_path / "second"}).run("step")
    assert last["type"] == "completed"
    assert gone(int(store.files["/out"]))
    assert gone(int((tmp_path / "second").read_text()))


def test_a_caller_that_goes_takes_the_command_along(runner: Start, tmp_path: Path) -> None:
    one = runner(step=f"touch {tmp_path}/begun; echo progress 0.1; sleep 297.5")
    answer = one.open("step", one.order())
    while not (tmp_path / "begun").exists():
        answer.readline()
    answer.close()
    one.connection.close()
    assert one.server.free.acquire(timeout=60)  # the slot is free once everything has gone
    one.server.free.release()
    assert processes_naming("sleep 297.5") == []


def test_a_runner_without_a_free_slot_is_busy(runner: Start, tmp_path: Path) -> None:
    one = runner(step=f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; {COPY}")
    first = one.open("step", one.order())
    assert first.readline().startswith(b"data: ")
    second = one.open("step", one.order())
    assert (second.status, json.loads(second.read())["code"]) == (503, "busy")
    (tmp_path / "go").touch()
    assert b'"completed"' in first.read()


def test_the_first_manifest_of_an_attempt_counts(runner: Start, store: Store) -> None:
    store.files["/manifest"] = b'{"job_id": "j", "attempt": 1, "outputs": {"text": "of another run"}}'
    *_, last = runner(step=COPY).run("step")
    assert last["step"]["outputs"] == {"text": "of another run"}


def test_inputs_come_from_the_cache_unless_it_lies(runner: Start, store: Store, tmp_path: Path) -> None:
    one = runner(step=COPY)
    for _ in range(2):
        one.run("step")
    assert store.calls.count("GET /in") == 1
    (kept,) = (tmp_path / "reelzero-cache").iterdir()
    kept.write_bytes(b"a red cirkle")
    one.run("step")
    assert store.calls.count("GET /in") == 2
    assert store.files["/out"] == b"a red circle"


def test_a_store_that_is_away_for_a_moment_is_waited_for(
    runner: Start, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.runner.transfer.sleep", lambda _seconds: None)
    store.broken = 3
    assert runner(step=COPY).run("step")[-1]["type"] == "completed"
    store.broken = 100
    *_, last = runner(step=COPY).run("step", parameters={"other": 1})
    assert (last["error"]["code"], last["error"]["retryable"]) == ("storage_unavailable", True)


def test_other_bytes_than_were_stored_are_no_input(
    runner: Start, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.runner.transfer.sleep", lambda _seconds: None)
    wrong = store.add("in", b"a red circle") | {"sha256": "0" * 64}
    *_, last = runner(step=COPY).run("step", inputs={"text": wrong})
    assert "other bytes arrived" in last["error"]["message"]


@pytest.mark.parametrize(
    ("order", "status", "words"),
    [
        ({}, 400, "parameters.step"),
        ({"parameters": {"step": {"identity": {}}}}, 400, "inputs, manifest, outputs, parameters"),
        ([], 400, "parameters.step"),
    ],
)
def test_a_body_that_is_no_attempt_is_named(runner: Start, order: Any, status: int, words: str) -> None:
    answer = runner(step=COPY).open("step", order)
    assert (answer.status, words in answer.read().decode()) == (status, True)


@pytest.mark.parametrize("name", ["../text", "/etc/passwd", "a/b", ""])
def test_no_name_leads_out_of_the_folder(runner: Start, store: Store, name: str) -> None:
    *_, last = runner(step=COPY).run("step", inputs={name: store.add("in", b"x")})
    assert "is no name of an input or output" in last["error"]["message"]


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, "REELZERO_STEPS: must be like"),
        ({"REELZERO_STEPS": '{"a": "b c"}'}, "REELZERO_STEPS: must be like"),
        ({"REELZERO_STEPS": '{"a": {"url": "ftp://b"}}'}, "REELZERO_STEPS: must be like"),
        ({"REELZERO_STEPS": '{"a": ["b"], "c": []}'}, "REELZERO_STEPS: must be like"),
        (
            {"REELZERO_STEPS": '{"a": ["b"]}', "REELZERO_SLOTS": "0"},
            "REELZERO_SLOTS: must be a whole",
        ),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], words: str) -> None:
    with pytest.raises(SystemExit, match=words):
        settings.read(env)


def test_it_needs_nothing_but_the_standard_library() -> None:
    for path in Path(settings.__file__).parent.glob("*.py"):
        lines = path.read_text().splitlines()
        imports = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
        assert imports - {"steps"} <= sys.stdlib_module_names
