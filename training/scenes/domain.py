"""Define what the model can show: things with a colour, shape, motion and size, on a background."""

import random
import zlib
from dataclasses import dataclass, replace

FRAMES = 17
SIDE = 64
FPS = 8

PALETTE = {
    "red": (230, 30, 30),
    "green": (30, 170, 50),
    "blue": (40, 70, 235),
    "yellow": (250, 225, 30),
    "purple": (130, 40, 190),
    "white": (250, 250, 250),
    "orange": (255, 130, 0),
    "cyan": (30, 215, 235),
    "pink": (255, 130, 195),
    "gray": (120, 120, 120),
    "black": (0, 0, 0),
}
COLOURS = ("red", "green", "blue", "yellow", "purple", "white", "orange", "cyan", "pink")
SHAPES = ("circle", "square", "triangle", "star")
MOTIONS = ("left", "right", "up", "down", "growing", "shrinking")
SIZES = ("small", "large", "any")
BACKGROUNDS = ("black", "gray", *COLOURS)
# The value of an attribute that a caption does not name.
DEFAULTS = {"colour": "white", "shape": "circle", "motion": "right", "size": "any", "background": "black"}


@dataclass(frozen=True)
class Thing:
    """One object of a clip."""

    colour: str
    shape: str
    motion: str
    size: str = "any"


@dataclass(frozen=True)
class Scene:
    """One clip without its places: the background, and the things from back to front."""

    things: tuple[Thing, ...]
    background: str = "black"


@dataclass(frozen=True)
class Domain:
    """The part of the world that one model is trained on."""

    colours: tuple[str, ...]
    shapes: tuple[str, ...]
    motions: tuple[str, ...]
    sizes: tuple[str, ...]
    backgrounds: tuple[str, ...]
    pairs: float = 0.0  # share of scenes with two things

    @property
    def meanings(self) -> frozenset[str]:
        """Return everything that a word can mean in this domain."""
        return frozenset({*self.colours, *self.shapes, *self.motions, *self.sizes, *self.backgrounds})


NARROW = Domain(COLOURS[:6], SHAPES[:3], MOTIONS[:4], ("any",), ("black",))
WIDE = Domain(COLOURS, SHAPES, MOTIONS, SIZES, BACKGROUNDS)
WIDER = replace(WIDE, pairs=0.3)
DOMAINS = {"narrow": NARROW, "wide": WIDE, "wider": WIDER}


def held_out(thing: Thing) -> bool:
    """Return whether training never shows this colour, shape and motion together: about one in six."""
    return zlib.crc32(f"{thing.colour} {thing.shape} {thing.motion}".encode()) % 5 == 0


def draw_thing(domain: Domain, rng: random.Random, unseen: bool) -> Thing:
    """Draw a thing. With `unseen`, draw it from the combinations that training never shows."""
    while True:
        thing = Thing(
            rng.choice(domain.colours),
            rng.choice(domain.shapes),
            rng.choice(domain.motions),
            rng.choice(domain.sizes),
        )
        if held_out(thing) == unseen:
            return thing


def draw_background(domain: Domain, things: tuple[Thing, ...], rng: random.Random) -> str:
    """Draw a background on which every thing is visible: black as often as all others together."""
    taken = {thing.colour for thing in things}
    others = [name for name in domain.backgrounds if name not in taken and name != "black"]
    return rng.choice(others) if others and rng.random() < 0.6 else "black"


def draw_scene(domain: Domain, rng: random.Random, unseen: bool = False) -> Scene:
    """Draw a scene of the domain."""
    count = 2 if rng.random() < domain.pairs else 1
    things = tuple(draw_thing(domain, rng, unseen) for _ in range(count))
    return Scene(things, draw_background(domain, things, rng))
