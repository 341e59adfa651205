"""Give routes the container of the running application, as a FastAPI dependency."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from eventing.container import Container


async def container_of(request: Request) -> Container:
    """Return the application's container. A coroutine, since FastAPI calls any other function in a thread."""
    return cast(Container, request.app.state.container)


ContainerDep = Annotated[Container, Depends(container_of)]
__all__ = ["Container", "ContainerDep"]
