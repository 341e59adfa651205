"""The MCP server: tools with which an agent makes, looks at, waits for, lists and cancels videos.

    door.py       what a tool needs of a service     arguments.py  what a tool takes
    remote.py     over HTTP, for `reelzero mcp`      answers.py    what a tool answers
    tools.py      the tools                          server.py     the server of the SDK
                                                     tasks.py      the Tasks extension

`eventing/api/mcp.py` is the door inside the service, for `/mcp`. Only server.py and tasks.py import the SDK.
That takes a second, so it is done with the first call.
"""
