"""Transactions that end: cancelling a caller never cuts one in the middle.

A cancelled statement goes on in its driver, and the connection it belongs to is thrown away with its
locks: on SQLite every writer after it then waits until it gives up. So the store's methods run in tasks
of their own; a caller that is cancelled gets its CancelledError once the transaction has ended.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def uninterrupted(store: type[T]) -> type[T]:
    """Class decorator: every public coroutine method runs to its end."""
    for name, method in list(vars(store).items()):
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            setattr(store, name, to_its_end(method))
    return store


def to_its_end(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Decorator: cancelling the caller does not cut this coroutine; the cancel follows its end."""

    @functools.wraps(method)
    async def run(*arguments: Any, **named: Any) -> Any:
        task = asyncio.ensure_future(method(*arguments, **named))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # seen: whoever asked is gone
            raise

    return run
