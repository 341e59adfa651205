"""Pictures for tests, a web server that hands them out, and a model that takes them."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import web
from PIL import Image

from eventing.contract.catalog import HERE

RED, BLUE = (230, 30, 30), (40, 70, 235)
MODEL = "tiny-pictures"
Answer = Callable[[web.Request], web.StreamResponse]


def picture(
    size: tuple[int, int] = (64, 64), colour: tuple[int, ...] = RED, form: str = "PNG", **options: object
) -> bytes:
    """The file of a picture: its left half has the colour, its right half is black."""
    image = Image.new("RGBA" if len(colour) == 4 else "RGB", size)
    image.paste(colour, (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def inline(file: bytes, media: str = "image/png") -> str:
    """The data: address of a file."""
    return f"data:{media};base64,{base64.b64encode(file).decode()}"


def opened(file: bytes) -> Image.Image:
    """The picture in a file."""
    return Image.open(io.BytesIO(file))


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """The colour of a pixel."""
    colour = image.getpixel((x, y))
    assert isinstance(colour, tuple)
    return colour


def catalog(folder: Path) -> Path:
    """A catalog folder with a model like tiny that takes a first and a last picture, and a strength."""
    entry = yaml.safe_load((HERE / "tiny.yaml").read_text())
    pipeline = "CogVideoXImageToVideoPipeline"
    tasks = {"text": "CogVideoXPipeline", "image": pipeline, "first_last": pipeline, "strength": True}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pictures.yaml").write_text(yaml.safe_dump({**entry, "name": MODEL, "tasks": tasks}))
    return folder


@asynccontextmanager
async def web_server(answers: dict[str, Answer]) -> AsyncIterator[int]:
    """A web server on loopback; yields its port. Each path has a function that answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return answers[request.path](request)

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
