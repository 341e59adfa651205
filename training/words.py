"""The words that the model knows, each with the one meaning that it has."""

import json
import re
from pathlib import Path

COLOUR_WORDS = {
    "red": "red crimson scarlet ruby",
    "green": "green emerald",
    "blue": "blue azure cobalt",
    "yellow": "yellow golden gold lemon",
    "purple": "purple violet",
    "white": "white ivory snowy",
    "orange": "orange tangerine amber",
    "cyan": "cyan turquoise aqua",
    "pink": "pink rose rosy",
    "gray": "gray grey silver",
    "black": "black",
}
SHAPE_WORDS = {
    "circle": "circle circles ball balls disc disk dot sphere",
    "square": "square squares box boxes block cube tile",
    "triangle": "triangle triangles pyramid wedge",
    "star": "star stars pentagram",
}
# Words that are a motion by themselves; "move" and its like only carry a direction.
MOTION_WORDS = {
    "left": "left leftward leftwards",
    "right": "right rightward rightwards",
    "up": "up upward upwards top rising rises rise ascending ascends climbing climbs",
    "down": (
        "down downward downwards bottom falling falls fall dropping drops descending descends sinking sinks"
    ),
    "growing": "growing grows grow expanding expands expand swelling swells enlarging bigger larger",
    "shrinking": "shrinking shrinks shrink contracting contracts contract smaller",
}
SIZE_WORDS = {"small": "small little tiny mini", "large": "large big huge giant"}
VERBS = (
    "moving moves move going goes go travelling traveling travels travel sliding slides slide gliding glides "
    "glide flying flies fly drifting drifts drift rolling rolls heading heads floating floats running runs "
    "getting gets becoming becomes"
).split()
FILLERS = (
    "a an the one single that is which of to towards toward from on against with over in front and it its "
    "background backdrop there colored coloured video clip movie animation showing shows shape slowly "
    "quickly across screen frame side"
).split()


def _meanings() -> dict[str, str]:
    tables = (COLOUR_WORDS, SHAPE_WORDS, MOTION_WORDS, SIZE_WORDS)
    return {word: meaning for table in tables for meaning, words in table.items() for word in words.split()}


MEANINGS = _meanings()
BACKGROUND_NOUNS = ("background", "backdrop")


def split(text: str) -> list[str]:
    """Give the words of a prompt in lower case, as the tokenizer sees them."""
    return re.findall(r"[a-z0-9]+", text.lower())


def vocabulary() -> dict[str, object]:
    """Give what vocabulary.json holds: each known word with its meaning, and the words without one."""
    return {"known": MEANINGS, "ignored": sorted(set(VERBS + FILLERS))}


def write_vocabulary(folder: Path) -> None:
    """Put the vocabulary beside the model, so that a service can warn about every other word."""
    text = json.dumps(vocabulary(), indent=1, ensure_ascii=False)
    (folder / "vocabulary.json").write_text(text + "\n", encoding="utf-8")
