"""Finish work that must not be cut in the middle, even if its caller is cancelled.

A cancelled statement goes on in its driver, and its connection is closed together with its locks. On SQLite
every later writer then waits until it times out. So all public methods of a store run in tasks of their own.
A cancelled caller gets its CancelledError after the work has ended.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


async def finish(work: Awaitable[T]) -> T:
    """Await `work` to its end. If the caller is cancelled meanwhile, raise CancelledError after the end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio logs it: the cancelled caller cannot get it
        raise


def shielded(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a coroutine function: every call runs to its end."""

    @functools.wraps(method)
    async def run(*arguments: P.args, **named: P.kwargs) -> T:
        return await finish(method(*arguments, **named))

    return run


def shielded_methods(store: type[T]) -> type[T]:
    """Decorate a class: every public coroutine method runs to its end."""
    for name, method in list(vars(store).items()):
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            setattr(store, name, shielded(method))
    return store
