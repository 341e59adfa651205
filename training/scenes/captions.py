"""Write captions for scenes: in many wordings, without some attributes, with unknown words added."""

import random
from dataclasses import replace

from training.scenes.domain import DEFAULTS, Scene, Thing, held_out
from training.scenes.words import COLOUR_WORDS, MOTION_WORDS, SHAPE_WORDS, SIZE_WORDS

LONGEST = 23
UNKNOWN = "zzz"  # stands for every word outside the vocabulary
OPPOSITE = {"left": "right", "right": "left", "up": "bottom", "down": "top"}
MOVE = (
    "moving moves going goes travelling traveling travels sliding slides gliding flying flies "
    "drifting drifts rolling heading floating running"
).split()


def _synonym(table: dict[str, str], meaning: str, rng: random.Random) -> str:
    """Return the plain word half of the time, else any word of the same meaning."""
    words = table[meaning].split()
    return words[0] if rng.random() < 0.5 else rng.choice(words)


def _direction(motion: str, rng: random.Random) -> str:
    """Say where something goes."""
    end = {"up": "top", "down": "bottom"}.get(motion, motion)
    forms = [motion, motion, f"{motion}ward", f"{motion}wards", f"to the {end}", f"towards the {end}"]
    forms += [f"from the {OPPOSITE[motion]} to the {end}", f"from {OPPOSITE[motion]} to {end}"]
    return rng.choice(forms)


def _size_change(motion: str, rng: random.Random) -> str:
    """Say that something grows or shrinks."""
    words = MOTION_WORDS[motion].split()
    comparative = ["bigger", "larger"] if motion == "growing" else ["smaller"]
    verbs = [word for word in words if word not in comparative]
    if rng.random() < 0.6:
        return words[0] if rng.random() < 0.5 else rng.choice(verbs)
    becoming = ["getting", "gets", "becoming", "becomes"] + ["growing"] * (motion == "growing")
    return f"{rng.choice(becoming)} {rng.choice(comparative)}"


def motion_phrase(motion: str, rng: random.Random) -> str:
    """Say how something moves."""
    if motion in ("growing", "shrinking"):
        return _size_change(motion, rng)
    alone = [
        word for word in MOTION_WORDS[motion].split() if word.endswith(("ing", "s")) and "ward" not in word
    ]
    if alone and rng.random() < 0.25:
        return rng.choice(alone)
    return f"{rng.choice(MOVE)} {_direction(motion, rng)}"


def thing_phrase(thing: Thing, names: frozenset[str], rng: random.Random) -> str:
    """Say what a thing is and does. Attributes that are not in `names` are left out."""
    adjectives = [_synonym(SIZE_WORDS, thing.size, rng)] if thing.size in SIZE_WORDS else []
    if "colour" in names:
        adjectives.append(_synonym(COLOUR_WORDS, thing.colour, rng))
    if rng.random() < 0.15:
        adjectives.reverse()
    article = rng.choice(["a", "a", "a", "the", "one", ""])
    noun = _synonym(SHAPE_WORDS, thing.shape, rng) if "shape" in names else rng.choice(["shape", "it", ""])
    link = rng.choice(["", "", "", "that is", "which is", "is"])
    motion = motion_phrase(thing.motion, rng) if "motion" in names else ""
    return f"{article} {' '.join(adjectives)} {noun} {link if motion else ''} {motion}"


def background_phrase(background: str, rng: random.Random) -> str:
    """Name the background; often leave black out."""
    if background == "black" and rng.random() < 0.7:
        return ""
    name = _synonym(COLOUR_WORDS, background, rng)
    noun = rng.choice(["background", "background", "backdrop"])
    lead = rng.choice(["on a", "on a", "on the", "against a", "with a", "over a", "in front of a", "on", ""])
    return f"{lead} {name} {noun}"


def with_noise(words: list[str], rng: random.Random) -> list[str]:
    """Add unknown words to one caption of four."""
    if rng.random() < 0.25:
        for _ in range(rng.randint(1, 4)):
            words.insert(rng.randint(0, len(words)), UNKNOWN)
    return words


def left_out(scene: Scene, names: frozenset[str]) -> Scene:
    """Return the scene that a caption with some attributes means: the others have their defaults."""
    missing = {name: DEFAULTS[name] for name in ("colour", "shape", "motion") if name not in names}
    return replace(scene, things=tuple(replace(thing, **missing) for thing in scene.things))


def caption(
    scene: Scene, rng: random.Random, names: frozenset[str] = frozenset({"colour", "shape", "motion"})
) -> str:
    """Describe a scene in at most LONGEST words, because the tokenizer cuts what is longer."""
    while len(words := _wording(scene, rng, names)) > LONGEST:
        pass
    return " ".join(words)


def _wording(scene: Scene, rng: random.Random, names: frozenset[str]) -> list[str]:
    phrase = " and ".join(thing_phrase(thing, names, rng) for thing in scene.things)
    back = background_phrase(scene.background, rng)
    parts = [back, phrase] if back and rng.random() < 0.15 else [phrase, back]
    return with_noise(" ".join(parts).split(), rng)


def nothing_said(rng: random.Random) -> tuple[Scene, str]:
    """Return a caption of unknown words or of none, with the scene of all defaults.

    With a random scene, these few captions would make up most of the loss.
    """
    thing = Thing(DEFAULTS["colour"], DEFAULTS["shape"], DEFAULTS["motion"], DEFAULTS["size"])
    return Scene((thing,), DEFAULTS["background"]), " ".join([UNKNOWN] * rng.randint(0, 5))


def training_pair(scene: Scene, rng: random.Random) -> tuple[Scene, str]:
    """Return a scene with its caption. One caption in eight leaves something out and means the default."""
    names = frozenset(name for name in ("colour", "shape", "motion") if rng.random() > 0.05)
    meaning = left_out(scene, names)
    hidden = any(thing.colour == meaning.background for thing in meaning.things)
    leaks = any(map(held_out, meaning.things)) and not any(map(held_out, scene.things))
    if hidden or leaks:
        return scene, caption(scene, rng)
    return meaning, caption(meaning, rng, names)
