"""Write docs/stories/steps.md from the step types in the box: `python -m tests.support.steps_page`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eventing.contract.stories.catalog import load_step_types
from eventing.contract.stories.types import InputRule, OutputRule, StepType

PAGE = Path(__file__).parents[2] / "docs" / "stories" / "steps.md"
HEAD = """# The steps in the box

A story is made of steps. These come with the service and need no GPU; `video` is the step that makes a
video with a model of the catalog. This page is generated from `eventing/contract/stories/catalog/*.yaml`
(`make pages`), and `GET /v1/step-types` gives the same of a running server. [A step of your
own](wrap-a-model.md) is one more file like these.

They read and write pictures and sound as streams, by PyAV (FFmpeg) and Pillow. Clips between steps are
lossless: Matroska with H.264 (qp 0) and PCM. Sound has 48,000 samples a second, in stereo.

**Licence.** `narrate` speaks with espeak-ng, which is under the GPL-3. A process of its own loads it, and
only the image of the steps contains it. The rest of reelzero is under Apache-2.0. To keep the
GPL-3 out of a deployment, replace `narrate` by a step type of the same name with the same outputs.

"""


def text() -> str:
    """The whole page."""
    types = load_step_types()
    table = ["| step | what it makes |", "|---|---|"]
    table += [f"| [`{name}`](#{name}) | {kind.title} |" for name, kind in types.items()]
    return HEAD + "\n".join([*table, "", *(line for kind in types.values() for line in _section(kind))])


def _section(kind: StepType) -> Iterator[str]:
    yield from (f"## {kind.name}", "", f"{kind.title}.", "")
    if kind.notes:
        yield from (kind.notes, "")
    yield from ("| input or output | kind | |", "|---|---|---|")
    yield from (_input(name, rule) for name, rule in kind.inputs.items())
    yield from (_output(name, rule) for name, rule in kind.outputs.items())
    yield from ("", "| parameter | value | default | |", "|---|---|---|---|")
    required = kind.parameters.get("required", ())
    for name, part in kind.parameters["properties"].items():
        default = "required" if name in required else f"`{part['default']}`" if "default" in part else ""
        yield f"| `{name}` | {_value(part)} | {default} | {part.get('description', '')} |"
    yield ""


def _input(name: str, rule: InputRule) -> str:
    words = ["several files" if rule.many else "one file", "" if rule.required else "may be left out"]
    words.append("all of one size and frame rate" if rule.same_shape else "")
    return f"| in: `{name}` | {_media(rule.media)} | {', '.join(filter(None, words))} |"


def _output(name: str, rule: OutputRule) -> str:
    words = ["" if rule.required else "may be absent"]
    words.append(f"size and frame rate of `{rule.shape}`" if rule.shape else "")
    return f"| out: `{name}` | {_media((rule.media,))} | {', '.join(filter(None, words))} |"


def _media(media: tuple[str, ...]) -> str:
    return ", ".join(f"`{one}`" for one in media)


def _value(part: dict[str, Any]) -> str:
    """What a parameter may be, in words."""
    if choices := part.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if part["type"] == "array":
        return f"list of {part['items']['type']}s"
    low, high = part.get("minimum"), part.get("maximum")
    if "exclusiveMinimum" in part:
        return f"{part['type']}, above {part['exclusiveMinimum']}, up to {high}"
    if low is not None:
        even = ", even" if part.get("multipleOf") == 2 else ""
        return f"{part['type']}, {low} to {high}{even}"
    return f"string, up to {part['maxLength']} characters" if "maxLength" in part else str(part["type"])


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
