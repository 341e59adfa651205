"""A server that goes away and comes back: the page says so, and goes on by itself."""

from __future__ import annotations

import pytest

from tests.page.server import Site
from tests.page.tab import Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_page_says_that_the_server_is_away_and_goes_on_by_itself(tab: Tab, server: Site) -> None:
    tab.expects = (
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED",
        "ERR_CONNECTION_RESET",
        "ERR_EMPTY",
        "503",
    )
    await tab.goto()
    await tab.page.wait_for_selector("#connection", state="hidden")
    await server.stop()
    try:
        await tab.page.wait_for_selector("#connection:not([hidden])")
        await tab.page.fill("#prompt", "a red square moving right")
        await tab.page.click("#go")
        assert (
            "does not answer"
            in await (await tab.page.wait_for_selector("#problem:not([hidden])")).inner_text()
        )
    finally:
        await server.start()
    await tab.page.wait_for_selector("#connection", state="hidden")
    assert await tab.page.input_value("#prompt") == "a red square moving right"
    await tab.page.click("#go")
    await tab.status("completed")
