"""The faults by name. A fault is a story: a coroutine that makes its world, injects and heals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.world import World

Story = Callable[..., Awaitable[None]]
BOTH = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Fault:
    """One fault. `real`: with the real predictor (tiny weights) instead of the fake one. `needs`: why it
    cannot be brought about here; empty if it can.
    """

    name: str
    family: str
    story: Story
    arguments: dict[str, Any]
    databases: tuple[str, ...]
    real: bool
    needs: Callable[[], str]

    async def run(self, world: World) -> None:
        await self.story(world, **self.arguments)


FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    *,
    real: bool = False,
    databases: tuple[str, ...] = BOTH,
    needs: Callable[[], str] = str,
    **arguments: Any,
) -> Callable[[Story], Story]:
    """Register a story under a name, perhaps several times with different arguments."""

    def register(story: Story) -> Story:
        assert name not in FAULTS
        family = story.__module__.rpartition(".")[2]
        FAULTS[name] = Fault(name, family, story, arguments, databases, real, needs)
        return story

    return register


def each(names: dict[str, dict[str, Any]], **options: Any) -> Callable[[Story], Story]:
    """Register a story once per name with the arguments given."""

    def register(story: Story) -> Story:
        for name, arguments in names.items():
            fault(name, **options, **arguments)(story)
        return story

    return register


def load() -> dict[str, Fault]:
    """All faults."""
    from tests.faults.stories import disks, eventing, predictor, surroundings  # noqa: F401 -- they register themselves

    return FAULTS
