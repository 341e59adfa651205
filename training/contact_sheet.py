"""Draw a contact sheet: a row for each prompt, with the prompt and some frames of its clip."""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from training.evaluate import DOMAIN, MODEL, generate, held_out_prompts
from training.network.pipeline import load_model
from training.scenes.checker import Frames, check
from training.scenes.domain import DOMAINS, SIDE

PROMPTS = (
    "a red circle moving right",
    "A GREEN square, going up!",
    "a blue triangle moving left",
    "a small yellow star falling on a purple background",
    "a huge pink disc is shrinking",
    "an orange box grows on a white background",
    "a happy red ball moving right in the park",
    "a red circle moving right and a blue square moving up",
    "a cyan star moving left and a yellow triangle growing on a gray background",
)
SHOWN = (0, 3, 6, 9, 12, 16)
ZOOM = 1
TEXT = 26


def row(prompt: str, frames: Frames) -> Image.Image:
    """Draw one prompt over its frames."""
    picture = Image.new("RGB", (len(SHOWN) * (SIDE * ZOOM + 4), SIDE * ZOOM + TEXT), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(9.5)
    words, line = prompt.split(), ""
    lines = []
    for word in words:
        if pen.textlength(f"{line} {word}", font=font) > picture.width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    pen.multiline_text((2, 0), "\n".join([*lines, line]), fill="black", font=font, spacing=1)
    for i, moment in enumerate(SHOWN):
        picture.paste(Image.fromarray(frames[moment]), (i * (SIDE * ZOOM + 4), TEXT))
    return picture


def sheet(rows: list[Image.Image], columns: int = 3) -> Image.Image:
    """Put the rows side by side and below each other."""
    width, height = rows[0].width + 12, rows[0].height + 6
    picture = Image.new("RGB", (columns * width, -(-len(rows) // columns) * height), "white")
    for i, part in enumerate(rows):
        picture.paste(part, (i % columns * width + 4, i // columns * height + 2))
    return picture


def main() -> None:
    """Read the arguments, generate, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--domain", choices=DOMAINS, default=DOMAIN)
    parser.add_argument("--out", type=Path, default=Path("docs/images/shapes-tiny.png"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prompts = [*PROMPTS, *held_out_prompts(DOMAINS[arguments.domain], 24 - len(PROMPTS), seed=24)]
    clips = generate(load_model(arguments.model), prompts, list(range(len(prompts))))
    for prompt, clip in zip(prompts, clips, strict=True):
        if " and " not in prompt:  # training.pairs judges prompts with two things
            print(f"{prompt}: {check(np.asarray(clip), prompt).explain()}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    sheet([row(prompt, clip) for prompt, clip in zip(prompts, clips, strict=True)]).save(
        arguments.out, optimize=True
    )


if __name__ == "__main__":
    main()
