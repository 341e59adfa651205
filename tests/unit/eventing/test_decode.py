"""The decoder of pictures: fits, turns, colours, and what it does not take."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from pathlib import Path

import PIL
import pytest
from PIL import Image, ImageChops, ImageCms, PngImagePlugin

from eventing.pictures import decode
from tests.support.pictures import BLUE, RED, opened, picture, pixel

LIBRARIES = str(Path(PIL.__file__).parents[1])
MANY = 1_000_000
TURNS = [
    (1, (2, 32)),
    (3, (61, 32)),
    (6, (32, 2)),
    (8, (32, 61)),
]  # EXIF orientation, then where the left half is


def converted(file: bytes, size: tuple[int, int] = (64, 64), fit: str = "crop") -> Image.Image:
    return opened(decode.convert(file, size, fit, MANY)[1])


def process(file: bytes, memory: int = 512 << 20, pixels: int = 25_000_000) -> tuple[int, bytes]:
    """The exit status and the output of the decoder as the service runs it."""
    command = [sys.executable, "-I", "-S", decode.__file__, LIBRARIES, str(pixels), str(memory)]
    done = subprocess.run(command, input=b"64 64 crop\n" + file, stdout=subprocess.PIPE, check=False)
    return done.returncode, done.stdout


def test_each_fit_keeps_what_it_says() -> None:
    wide = picture((200, 50))  # the left half is red, the right half black
    crop, pad, stretch = (converted(wide, fit=fit) for fit in ("crop", "pad", "stretch"))
    assert crop.size == pad.size == stretch.size == (64, 64)
    assert pixel(crop, 20, 2) == RED and pixel(crop, 44, 2) == (0, 0, 0)
    assert pixel(pad, 5, 2) == (0, 0, 0) and pixel(pad, 5, 32) == RED
    assert pixel(stretch, 5, 2) == RED


@pytest.mark.parametrize(("orientation", "corner"), TURNS)
def test_a_turned_photo_is_upright(orientation: int, corner: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = picture((120, 60), RED, "JPEG", quality=95, exif=exif)
    size, png = decode.convert(file, (64, 64), "stretch", MANY)
    assert size == ((60, 120) if orientation > 4 else (120, 60))
    red, _, blue = pixel(opened(png), *corner)
    assert red > 200 and blue < 60


def test_no_metadata_is_kept() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "ann")
    exif = Image.Exif()
    exif[0x010E] = "where ann lives"
    file = picture(pnginfo=info, exif=exif, dpi=(300, 300))
    assert b"ann" in file
    png = decode.convert(file, (64, 64), "crop", MANY)[1]
    assert b"ann" not in png
    assert {name for name in opened(png).info if name != "srgb"} == set()


def test_forms_of_pixels() -> None:
    clear = picture(colour=(*BLUE, 0))
    assert pixel(converted(clear), 5, 32) == (0, 0, 0)
    deep = io.BytesIO()
    Image.new("I;16", (64, 64), 40_000).save(deep, "PNG")
    assert pixel(converted(deep.getvalue()), 5, 5) == (156, 156, 156)
    flat = io.BytesIO()
    Image.new("RGB", (64, 64), BLUE).convert("P", palette=Image.Palette.ADAPTIVE).save(flat, "PNG")
    assert pixel(converted(flat.getvalue()), 5, 5) == BLUE
    ink = io.BytesIO()
    Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(ink, "JPEG")
    assert pixel(converted(ink.getvalue()), 5, 5)[0] > 200
    web = picture(form="WEBP", lossless=True)
    assert pixel(converted(web), 5, 32) == RED


def test_colours_become_srgb() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert pixel(converted(picture(icc_profile=profile)), 5, 32) == RED, "a profile that does not fit"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert pixel(converted(picture(icc_profile=srgb)), 5, 32) == RED


@pytest.mark.parametrize("file", [b"", b"text", picture()[:110], picture(form="JPEG")[:300]])
def test_what_is_no_picture_is_said(file: bytes) -> None:
    with pytest.raises(decode.Unusable, match=r"is damaged|cannot be read"):
        decode.convert(file, (64, 64), "crop", MANY)


def bomb(side: int) -> bytes:
    """A PNG of side x side pixels in a few kilobytes."""
    row = zlib.compress(b"\x00" * (side * 3 + 1) * side, 9)
    out = io.BytesIO()
    out.write(picture((16, 16))[:8])
    header = side.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    for kind, body in ((b"IHDR", header), (b"IDAT", row), (b"IEND", b"")):
        out.write(len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big"))
    return out.getvalue()


def test_a_bomb_is_an_error_and_takes_no_memory() -> None:
    file = bomb(8000)
    assert len(file) < 300_000
    status, out = process(file)
    assert status == 0 and "more than 25 million" in json.loads(out)["error"]
    status, out = process(file, memory=160 << 20, pixels=100_000_000)
    assert status == 0 and "takes more than 160 MiB" in json.loads(out)["error"]


def test_the_process_answers_with_a_line_and_the_picture() -> None:
    status, out = process(picture((100, 50)))
    head, _, png = out.partition(b"\n")
    assert status == 0 and json.loads(head) == {"width": 100, "height": 50}
    assert opened(png).size == (64, 64)


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_two_halves_make_the_same_picture_as_one_resize(fit: str) -> None:
    source = Image.effect_noise((640, 402), 90).convert("RGB").resize((637, 402))
    out = io.BytesIO()
    source.save(out, "PNG")
    box = decode.covering(source.size, (212, 131)) if fit == "crop" else None
    whole = source.resize((212, 131), Image.Resampling.LANCZOS, box=box)
    difference = ImageChops.difference(converted(out.getvalue(), (212, 131), fit), whole)
    assert difference.convert("L").point(lambda level: 255 * (level > 1)).getbbox() is None  # 1 by rounding
