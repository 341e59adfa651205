"""An S3 whose answers are cut in the middle is an error to retry, never a hang."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from eventing.contract.errors import StorageError
from eventing.contract.storage.s3 import Bucket, S3Location


@pytest.mark.parametrize("answer", [b"HTTP/1.1 100 Con", b""])
async def test_an_upload_whose_answer_is_cut_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    heads = []

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    file = tmp_path / "video.mp4"
    file.write_bytes(b"x" * 1000)
    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        bucket = Bucket(S3Location("b", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        with pytest.raises(StorageError):
            await asyncio.to_thread(bucket.upload, "k", str(file), "video/mp4")
    assert not any(b"100-continue" in head.lower() for head in heads)
