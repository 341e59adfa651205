"""`python -m tests.support.story_sheet`: make a film of three scenes, and draw its frames for the docs.

Each row is one second of the film. Under a frame are its time and what is said then.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.acceptance.command import reelzero
from tests.acceptance.test_story import RATE, SCENES, Film, call, ended, film_of

TARGET = Path(__file__).parents[2] / "docs" / "images" / "story-film.png"
SIDE, TEXT, GAP = 64, 12, 4


def made() -> Film:
    """Return the film of the acceptance test."""
    with tempfile.TemporaryDirectory() as data:
        with reelzero("up", "--port", "0", "--data-dir", data, "--model", "shapes-tiny") as up:
            url = up.until("^ready ").split()[1]
            story = json.loads(call(f"{url}/v1/stories", "POST", {"scenes": SCENES}))
            return film_of(url, ended(url, story))


def sheet(film: Film) -> Image.Image:
    """Return all frames, a second in each row, with what is said."""
    rows = -(-len(film.frames) // RATE)
    height = SIDE + 2 * TEXT + GAP
    picture = Image.new("RGB", (RATE * (SIDE + GAP) + GAP, rows * height + GAP), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(10)
    for number, frame in enumerate(film.frames):
        row, column = divmod(number, RATE)
        place = (GAP + column * (SIDE + GAP), GAP + row * height)
        picture.paste(Image.fromarray(frame).resize((SIDE, SIDE)), place)
        pen.text((place[0], place[1] + SIDE), f"{number / RATE:.3f} s", fill="gray", font=font)
    for begin, end, words in film.cues:
        row, column = divmod(int(begin * RATE), RATE)
        place = (GAP + column * (SIDE + GAP), GAP + row * height + SIDE + TEXT)
        pen.text(place, f"{begin:.2f} to {end:.2f} s: {words}", fill="black", font=font)
    return picture


if __name__ == "__main__":
    sheet(made()).save(TARGET, optimize=True)
