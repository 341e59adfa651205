"""Captions for scenes, in many wordings, with attributes left out and unknown words thrown in."""

import random
from dataclasses import replace

from training.domain import DEFAULTS, Scene, Thing, held_out
from training.words import COLOUR_WORDS, MOTION_WORDS, SHAPE_WORDS, SIZE_WORDS

LONGEST = 23
UNKNOWN = "zzz"  # stands for every word outside the vocabulary
OPPOSITE = {"left": "right", "right": "left", "up": "bottom", "down": "top"}
MOVE = (
    "moving moves going goes travelling traveling travels sliding slides gliding flying flies "
    "drifting drifts rolling heading floating running"
).split()


def _synonym(table: dict[str, str], meaning: str, rng: random.Random) -> str:
    """Give the plain word half of the time, else any word of the same meaning."""
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


def thing_phrase(thing: Thing, said: frozenset[str], rng: random.Random) -> str:
    """Say what a thing is and does; attributes that are not in said are left out."""
    adjectives = [_synonym(SIZE_WORDS, thing.size, rng)] if thing.size in SIZE_WORDS else []
    if "colour" in said:
        adjectives.append(_synonym(COLOUR_WORDS, thing.colour, rng))
    if rng.random() < 0.15:
        adjectives.reverse()
    article = rng.choice(["a", "a", "a", "the", "one", ""])
    noun = _synonym(SHAPE_WORDS, thing.shape, rng) if "shape" in said else rng.choice(["shape", "it", ""])
    link = rng.choice(["", "", "", "that is", "which is", "is"])
    motion = motion_phrase(thing.motion, rng) if "motion" in said else ""
    return f"{article} {' '.join(adjectives)} {noun} {link if motion else ''} {motion}"


def background_phrase(background: str, rng: random.Random) -> str:
    """Say what the scene is on; black is often left unsaid."""
    if background == "black" and rng.random() < 0.7:
        return ""
    name = _synonym(COLOUR_WORDS, background, rng)
    noun = rng.choice(["background", "background", "backdrop"])
    lead = rng.choice(["on a", "on a", "on the", "against a", "with a", "over a", "in front of a", "on", ""])
    return f"{lead} {name} {noun}"


def with_noise(words: list[str], rng: random.Random) -> list[str]:
    """Throw unknown words in, in one caption of four."""
    if rng.random() < 0.25:
        for _ in range(rng.randint(1, 4)):
            words.insert(rng.randint(0, len(words)), UNKNOWN)
    return words


def left_out(scene: Scene, said: frozenset[str]) -> Scene:
    """Give the scene that a caption means when it says only some attributes: the defaults for the rest."""
    unsaid = {name: DEFAULTS[name] for name in ("colour", "shape", "motion") if name not in said}
    return replace(scene, things=tuple(replace(thing, **unsaid) for thing in scene.things))


def caption(
    scene: Scene, rng: random.Random, said: frozenset[str] = frozenset({"colour", "shape", "motion"})
) -> str:
    """Word a scene in at most LONGEST words: what a tokenizer cuts off cannot be asked for."""
    while len(words := _wording(scene, rng, said)) > LONGEST:
        pass
    return " ".join(words)


def _wording(scene: Scene, rng: random.Random, said: frozenset[str]) -> list[str]:
    phrase = " and ".join(thing_phrase(thing, said, rng) for thing in scene.things)
    back = background_phrase(scene.background, rng)
    parts = [back, phrase] if back and rng.random() < 0.15 else [phrase, back]
    return with_noise(" ".join(parts).split(), rng)


def nothing_said(rng: random.Random) -> tuple[Scene, str]:
    """Give a caption of unknown words only, or none, with the one scene that it means.

    If it could mean anything, these few captions would make most of the loss.
    """
    thing = Thing(DEFAULTS["colour"], DEFAULTS["shape"], DEFAULTS["motion"], DEFAULTS["size"])
    return Scene((thing,), DEFAULTS["background"]), " ".join([UNKNOWN] * rng.randint(0, 5))


def training_pair(scene: Scene, rng: random.Random) -> tuple[Scene, str]:
    """Give a scene with its caption; one caption in eight leaves something out and means the default."""
    said = frozenset(name for name in ("colour", "shape", "motion") if rng.random() > 0.05)
    meant = left_out(scene, said)
    hidden = any(thing.colour == meant.background for thing in meant.things)
    leaks = any(map(held_out, meant.things)) and not any(map(held_out, scene.things))
    if hidden or leaks:
        return scene, caption(scene, rng)
    return meant, caption(meant, rng, said)
