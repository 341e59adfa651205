"""Turn the file of a picture into a PNG of the wanted size, in a process of its own with little memory.

`python -I -S decode.py LIBRARIES PIXELS MEMORY` reads a line `WIDTH HEIGHT FIT` and then the file from
standard input. It writes one line of JSON and then the PNG; or a line with `error`, which says what is wrong
with the picture. The service starts it by its path. It imports Pillow and nothing of this project, so it
starts quickly.

The picture is turned upright (EXIF), its colours become sRGB, its transparent parts black. No metadata is
written. A limit ends the process before a decompression bomb can take the memory of the machine.
"""

from __future__ import annotations

import io
import json
import resource
import select
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    Picture = Image.Image
    Size = tuple[int, int]
    Box = tuple[float, float, float, float]

FORMATS = ("PNG", "JPEG", "WEBP")
CPU_SECONDS = 20
IDLE_SECONDS = 60  # a process that waits for a picture ends after so long
SMALLEST = 16  # pixels of a side
ORIENTATION = 0x0112  # the EXIF tag
LANCZOS = 1  # Pillow's number of the filter
GAP = 3.0  # what Pillow's documents call as good as no reduction at all
SIGNATURE = b"\x89PNG\r\n\x1a\n"
TURNED = frozenset({5, 6, 7, 8})  # orientations whose sides change places


class Unusable(Exception):
    """The picture cannot be used; the message says why and what would be right."""


def main(libraries: str, pixels: str, memory: str) -> None:
    """Convert one picture, or say why that is not possible. Without a picture, end after a while."""
    sys.path.insert(0, libraries)
    from PIL import (  # noqa: PLC0415 - imported before the limits, since libraries need files
        Image,  # noqa: F401
        JpegImagePlugin,  # noqa: F401
        PngImagePlugin,  # noqa: F401
        WebPImagePlugin,  # noqa: F401
    )

    limit(int(memory))
    if not select.select([sys.stdin], [], [], IDLE_SECONDS)[0] or not (order := sys.stdin.buffer.readline()):
        return
    width, height, fit = order.decode().split()
    try:
        size, png = convert(sys.stdin.buffer.read(), (int(width), int(height)), fit, int(pixels))
        head: dict[str, object] = {"width": size[0], "height": size[1]}
    except Unusable as error:
        head, png = {"error": str(error)}, b""
    except MemoryError:
        head, png = {"error": f"takes more than {int(memory) >> 20} MiB to decode; send a smaller one"}, b""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    sys.stdout.buffer.write(png)


def limit(memory: int) -> None:
    """Bound this process: `memory` bytes of address space, a few seconds, no files, no core dump."""
    for name, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(name, (value, value))


def convert(file: bytes, size: Size, fit: str, pixels: int) -> tuple[Size, bytes]:
    """Return the size of the upright picture, and the PNG. Raises Unusable."""
    image = opened(file)
    check_size(image, pixels)
    source, profile = image.size, image.info.get("icc_profile")
    image.draft("RGB", (2 * max(size), 2 * max(size)))  # JPEG only: decodes no more than is needed
    orientation = turn_of(image)
    turned = orientation in TURNED
    fitted = shaped(image, size[::-1] if turned else size, fit)
    upright = in_srgb(upright_of(fitted, orientation), profile)
    return (source[::-1] if turned else source), png_of(upright)


def opened(file: bytes) -> Picture:
    """Read the head of a file. Raises Unusable if it is none of the formats."""
    from PIL import Image  # noqa: PLC0415 - see main

    Image.MAX_IMAGE_PIXELS = None  # check_size is stricter
    try:
        return Image.open(io.BytesIO(file), formats=FORMATS)
    except MemoryError:
        raise
    except Exception as error:
        raise Unusable(
            f"cannot be read as a picture; send {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        ) from error


def check_size(image: Picture, pixels: int) -> None:
    """Raise Unusable for a picture with too many or too few pixels, before any of them is decoded."""
    width, height = image.size
    if width * height > pixels:
        raise Unusable(
            f"has {width}x{height} pixels, which is more than {pixels / 1e6:g} million; send a smaller one"
        )
    if min(image.size) < SMALLEST:
        raise Unusable(f"has {width}x{height} pixels; each side must have at least {SMALLEST}")


def turn_of(image: Picture) -> int:
    """Decode a picture and return its EXIF orientation. Raises Unusable if the file is damaged."""
    try:
        image.load()
        return int(image.getexif().get(ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception as error:
        raise Unusable(f"is damaged: {error}; send the whole file") from error


def shaped(image: Picture, size: Size, fit: str) -> Picture:
    """Return the picture in RGB with exactly this size."""
    width, height = image.size
    box = covering(image.size, size) if fit == "crop" else (0.0, 0.0, float(width), float(height))
    inner = inside(image.size, size) if fit == "pad" else size
    resized = on_black(scaled(plainly(image), inner, box))
    return resized if inner == size else centred(resized, size)


def scaled(image: Picture, size: Size, box: Box) -> Picture:
    """Return a box of the picture in another size. Two threads make a half each."""
    left, upper, right, lower = box
    rows = size[1] // 2
    if rows == 0 or right - left > 2 * GAP * size[0]:  # Pillow reduces it first, and the halves would differ
        return image.resize(size, LANCZOS, box=box, reducing_gap=GAP)
    middle = upper + (lower - upper) * rows / size[1]
    upper_half, lower_half = both(
        lambda: image.resize((size[0], rows), LANCZOS, box=(left, upper, right, middle)),
        lambda: image.resize((size[0], size[1] - rows), LANCZOS, box=(left, middle, right, lower)),
    )
    whole: Picture = upper_half.crop((0, 0, *size))
    whole.paste(lower_half, (0, rows))
    return whole


def plainly(image: Picture) -> Picture:
    """Return grey, RGB, or RGB with transparency, 8 bits a channel."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("L", "RGB", "RGBA"):
        return image if "transparency" not in image.info else image.convert("RGBA")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def covering(source: Size, size: Size) -> Box:
    """Return the largest box of the source in its middle that has the shape of the size."""
    width = min(source[0], source[1] * size[0] / size[1])
    height = min(source[1], source[0] * size[1] / size[0])
    left, top = (source[0] - width) / 2, (source[1] - height) / 2
    return (left, top, left + width, top + height)


def inside(source: Size, size: Size) -> Size:
    """Return the largest size of the source's shape inside a size."""
    factor = min(size[0] / source[0], size[1] / source[1])
    return (max(1, round(source[0] * factor)), max(1, round(source[1] * factor)))


def on_black(image: Picture) -> Picture:
    """Return RGB; what is transparent becomes black."""
    from PIL import Image  # noqa: PLC0415 - see main

    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def centred(image: Picture, size: Size) -> Picture:
    """Put a picture into the middle of a black one."""
    from PIL import Image  # noqa: PLC0415 - see main

    ground = Image.new("RGB", size)
    ground.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return ground


def upright_of(image: Picture, orientation: int) -> Picture:
    """Turn a picture as its EXIF orientation says."""
    from PIL import Image  # noqa: PLC0415 - see main

    turn = Image.Transpose
    turns = {
        2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
        6: turn.ROTATE_270, 7: turn.TRANSVERSE, 8: turn.ROTATE_90,
    }  # fmt: skip
    return image.transpose(turns[orientation]) if orientation in turns else image


def in_srgb(image: Picture, profile: Any) -> Picture:
    """Convert the colours of a picture with a profile to sRGB; a profile that does not fit is ignored."""
    if not profile:
        return image
    from PIL import ImageCms  # noqa: PLC0415 - few pictures need it

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


def png_of(image: Picture) -> bytes:
    """Return the PNG of an RGB picture, with its pixels and nothing else.

    Pillow's own looks for the best filter of each row, which takes twice as long and saves a few percent.
    """
    rows = differences(image)
    half = len(rows) // 2
    pixels = b"".join(both(lambda: deflated(rows[:half], zlib.Z_FULL_FLUSH), lambda: deflated(rows[half:])))
    head = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB, not interlaced
    data = b"\x78\x01" + pixels + struct.pack(">I", zlib.adler32(rows))
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def differences(image: Picture) -> bytes:
    """Return the rows of a picture, each as its difference to the one above (PNG's filter 2)."""
    from PIL import Image, ImageChops  # noqa: PLC0415 - see main

    above = Image.new("RGB", image.size)
    above.paste(image, (0, 1))
    flat, row = ImageChops.subtract_modulo(image, above).tobytes(), 3 * image.width
    return b"".join(part for at in range(0, len(flat), row) for part in (b"\x02", flat[at : at + row]))


def deflated(data: bytes, end: int = zlib.Z_FINISH) -> bytes:
    """Compress a part of a zlib stream. A full flush lets the next part be compressed on its own."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush(end)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def both(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what two calls return. They run at once: Pillow and zlib let the lock of Python go."""
    with ThreadPoolExecutor(1) as other:
        later = other.submit(second)
        return first(), later.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
