"""What a replica asks its database while nothing happens."""

from __future__ import annotations

from tests.integration.conftest import MakeStack
from tests.support.sent import ENDS, listening
from tests.support.waiting import eventually

LOOKS = 20  # the clock of a count: there is one look per poll, which is a second by default


async def test_an_idle_replica_sends_at_most_two_statements_a_poll(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        await stack.ended(await stack.submit())
        with listening(stack.service.container.database) as sent:
            await eventually(lambda: sum("jobs.lease_until <" in text for text in sent) >= LOOKS)
            statements = [text for text in sent if text not in ENDS]
        assert len(statements) <= 2 * LOOKS, statements
