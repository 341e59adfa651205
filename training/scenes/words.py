"""List the words that the model knows, each with its one meaning."""

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
# Words that name a motion by themselves; "move" and the like need a direction.
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
    """Return the words of a prompt in lower case, as the tokenizer sees them."""
    return re.findall(r"[a-z0-9]+", text.lower())


def vocabulary(meanings: frozenset[str]) -> dict[str, object]:
    """Return the content of vocabulary.json: words with one of these meanings, and words without any."""
    known = {word: meaning for word, meaning in MEANINGS.items() if meaning in meanings}
    return {"known": known, "ignored": sorted(set(VERBS + FILLERS))}


def write_vocabulary(folder: Path, meanings: frozenset[str]) -> None:
    """Write the vocabulary beside the model, so that the predictor can warn about other words."""
    text = json.dumps(vocabulary(meanings), indent=1, ensure_ascii=False)
    (folder / "vocabulary.json").write_text(text + "\n", encoding="utf-8")
