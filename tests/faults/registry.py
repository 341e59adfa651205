"""All faults by name. A fault runs a scenario: a coroutine that sets up its world, injects and heals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.world import World

Scenario = Callable[..., Awaitable[None]]
BOTH = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Fault:
    """One fault.

    `real`: it uses the real predictor (tiny weights) instead of the fake one. `needs` returns what this
    machine lacks for it; empty if nothing.
    """

    name: str
    family: str
    scenario: Scenario
    arguments: dict[str, Any]
    databases: tuple[str, ...]
    real: bool
    needs: Callable[[], str]

    async def run(self, world: World) -> None:
        await self.scenario(world, **self.arguments)


FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    *,
    real: bool = False,
    databases: tuple[str, ...] = BOTH,
    needs: Callable[[], str] = str,
    **arguments: Any,
) -> Callable[[Scenario], Scenario]:
    """Register a scenario under a name, with its arguments."""

    def register(scenario: Scenario) -> Scenario:
        assert name not in FAULTS
        family = scenario.__module__.rpartition(".")[2]
        FAULTS[name] = Fault(name, family, scenario, arguments, databases, real, needs)
        return scenario

    return register


def each(names: dict[str, dict[str, Any]], **options: Any) -> Callable[[Scenario], Scenario]:
    """Register a scenario once per name, each with its own arguments."""

    def register(scenario: Scenario) -> Scenario:
        for name, arguments in names.items():
            fault(name, **options, **arguments)(scenario)
        return scenario

    return register


def load() -> dict[str, Fault]:
    """Import the scenarios; return all faults."""
    from tests.faults.scenarios import disks, eventing, predictor, stories, surroundings, tails, watchers  # noqa: F401 -- they register

    return FAULTS
