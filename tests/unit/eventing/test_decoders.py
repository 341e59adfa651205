"""One process waits for the next picture to decode. All of them end with the service."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal

import psutil

from eventing.pictures.decode import convert
from eventing.pictures.decoders import DECODER, Decoders
from tests.support.pictures import picture
from tests.support.waiting import eventually

MANY = 1_000_000
FILE = picture((200, 100))


def decoding() -> set[int]:
    """The ids of the decoders that are children of this process."""
    return {child.pid for child in psutil.Process().children() if is_decoder(child)}


def is_decoder(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and str(DECODER) in process.cmdline()
    except psutil.Error:  # it ended meanwhile
        return False


async def test_a_process_waits_for_the_next_picture_and_ends_with_the_service() -> None:
    before = decoding()
    decoders = Decoders(MANY)
    want = convert(FILE, (64, 64), "crop", MANY)[1]
    for _ in range(2):
        head, _, png = (await decoders.run("64 64 crop", FILE)).partition(b"\n")
        assert json.loads(head) == {"width": 200, "height": 100} and png == want
        await eventually(lambda: len(decoding() - before) == 1)
    (one,) = decoding() - before
    os.kill(one, signal.SIGKILL)
    await eventually(lambda: not decoding() - before)
    assert (await decoders.run("64 64 crop", FILE)).endswith(want), "the process that waited was killed"
    await eventually(lambda: len(decoding() - before) == 1)
    del decoders
    gc.collect()
    await eventually(lambda: not decoding() - before)


async def test_a_call_that_is_given_up_leaves_no_process() -> None:
    before = decoding()
    call = asyncio.create_task(Decoders(MANY).run("64 64 crop", b"x" * 50_000_000))
    await eventually(lambda: bool(decoding() - before))
    call.cancel()
    await eventually(lambda: not decoding() - before)
