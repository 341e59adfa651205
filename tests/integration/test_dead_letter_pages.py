"""A page of dead letters is bounded in bytes as well as in letters, and its cursor leads to all of them."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.conftest import MakeStack

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
EVENT = {"specversion": "1.0", "source": "/s", "type": "t"}
LARGE = 400_000  # characters of data; two such letters fit into a page
PAGE_BYTES = (1 << 20) + 4096


async def test_a_page_is_bounded_in_bytes_and_its_cursor_leads_on(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        for number in range(5):
            event = {
                "specversion": "1.0",
                "id": str(number),
                "source": "/s",
                "type": "t",
                "data": "x" * LARGE,
            }
            answer = await stack.post("/events/dead-letter", data=json.dumps(event), headers=STRUCTURED)
            assert answer.status == 202
        sizes: list[int] = []
        page: dict[str, Any] = {"has_more": True, "next": None}
        seen: list[str] = []
        while page["has_more"]:
            after = f"&after={page['next']}" if page["next"] else ""
            raw = await (await stack.get(f"/v1/dead-letters?limit=100{after}")).read()
            assert len(raw) <= PAGE_BYTES
            page = json.loads(raw)
            sizes.append(len(page["data"]))
            seen += [letter["event"]["id"] for letter in page["data"]]
        assert (sizes, seen) == ([2, 2, 1], ["4", "3", "2", "1", "0"])
        assert page["next"] is None


async def test_a_cursor_continues_after_a_limit_and_a_wrong_one_is_named(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        for number in range(3):
            event = json.dumps(EVENT | {"id": str(number)})
            await stack.post("/events/dead-letter", data=event, headers=STRUCTURED)
        first = await (await stack.get("/v1/dead-letters?limit=2")).json()
        rest = await (await stack.get(f"/v1/dead-letters?limit=2&after={first['next']}")).json()
        assert (first["has_more"], rest["has_more"]) == (True, False)
        assert [letter["event"]["id"] for letter in first["data"] + rest["data"]] == ["2", "1", "0"]
        answer = await stack.get("/v1/dead-letters?after=nonsense")
        assert (answer.status, (await answer.json())["field"]) == (422, "after")
