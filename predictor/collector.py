"""Keep Python's garbage collector away from a start.

A start makes half a million objects, of which nearly all stay. Looking through them again and again took a
fifth of the imports' time, and freed no memory. So the collector rests until the weights are in memory. Then
it looks only at what the load has made, since that may hold tensors. Code that runs in a process of others,
such as a test, finds the collector at work and leaves it alone.
"""

from __future__ import annotations

import gc


def rest() -> None:
    """Collect nothing until `resume`."""
    gc.disable()


def keep_imports() -> None:
    """Take what the imports have made out of the collector's sight, if it rests."""
    if not gc.isenabled():
        gc.freeze()


def resume() -> None:
    """Free what the load has left, take the rest out of the collector's sight, and let it work."""
    gc.collect()
    gc.freeze()
    gc.enable()
