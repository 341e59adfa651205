"""The core of the running application, as a dependency of the routes."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from eventing.core import Core


async def core_of(request: Request) -> Core:
    """The core of the running application. `async`, since FastAPI sends any other function to a thread."""
    return cast(Core, request.app.state.core)


CoreDep = Annotated[Core, Depends(core_of)]
__all__ = ["Core", "CoreDep"]
