"""Turn the file of a picture into a PNG of the wanted size, in a process of its own with little memory.

`python -I -S decode.py LIBRARIES WIDTH HEIGHT FIT PIXELS MEMORY` reads the file from standard input. It
writes one line of JSON and then the PNG; or a line with `error`, which says what is wrong with the picture.
The service starts it by its path, and it imports Pillow and nothing of this project, so it starts quickly.

The picture is turned upright (EXIF), its colours become sRGB, its transparent parts black. No metadata is
written. A limit ends the process before a decompression bomb can take the memory of the machine.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    Picture = Image.Image
    Size = tuple[int, int]

FORMATS = ("PNG", "JPEG", "WEBP")
CPU_SECONDS = 20
SMALLEST = 16  # pixels of a side
ORIENTATION = 0x0112  # the EXIF tag
LANCZOS = 1  # Pillow's number of the filter
TURNED = frozenset({5, 6, 7, 8})  # orientations whose sides change places


class Unusable(Exception):
    """The picture cannot be used; the message says why and what would be right."""


def main(libraries: str, width: str, height: str, fit: str, pixels: str, memory: str) -> None:
    """Convert one picture, or say why that is not possible."""
    sys.path.insert(0, libraries)
    from PIL import Image  # noqa: F401, PLC0415 - imported before the limits, since libraries need files

    limit(int(memory))
    try:
        size, png = convert(sys.stdin.buffer.read(), (int(width), int(height)), fit, int(pixels))
        head: dict[str, object] = {"width": size[0], "height": size[1]}
    except Unusable as error:
        head, png = {"error": str(error)}, b""
    except MemoryError:
        head, png = {"error": f"takes more than {int(memory) >> 20} MiB to decode; send a smaller one"}, b""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + png)


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
    out = io.BytesIO()
    upright.save(out, "PNG", compress_level=1, exif=b"", icc_profile=None)
    return (source[::-1] if turned else source), out.getvalue()


def opened(file: bytes) -> Picture:
    """Read the head of a file. Raises Unusable if it is none of the formats."""
    from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415 - see main

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
    scaled = plainly(image).resize(inner, LANCZOS, box=box, reducing_gap=3.0)
    resized = on_black(scaled)
    return resized if inner == size else centred(resized, size)


def plainly(image: Picture) -> Picture:
    """Return grey, RGB, or RGB with transparency, 8 bits a channel."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("L", "RGB", "RGBA"):
        return image if "transparency" not in image.info else image.convert("RGBA")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def covering(source: Size, size: Size) -> tuple[float, float, float, float]:
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


if __name__ == "__main__":
    main(*sys.argv[1:])
