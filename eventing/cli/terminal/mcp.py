"""`reelzero mcp`: the tools for agents, on standard input and output."""

from __future__ import annotations

from eventing.cli.terminal.servers.session import Session, command
from eventing.mcp.remote import RemoteDoor


@command
async def mcp(session: Session) -> None:
    """Serve your videos to an agent over MCP, on standard input and output, until it closes them."""
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 - the SDK takes a second; --help needs none of it

    from eventing.mcp.server import build_server  # noqa: PLC0415

    server = build_server(RemoteDoor(session.client))
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
