"""A server that wants keys: signing in and out, and the operator's view for a key that may."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from eventing.contract.storage.s3 import Bucket
from eventing.store.lanes.circuit_breaker import OPEN_AFTER
from tests.page.server import Site, site
from tests.page.tab import Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")
PROMPT = "a red square moving right"
REFUSALS = ("401", "403")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def locked(
    tmp_path_factory: pytest.TempPathFactory, bucket: Bucket, playing_files: None
) -> AsyncIterator[Site]:
    """A service that wants keys, in the same process."""
    async with site(tmp_path_factory.mktemp("keys"), bucket, auth="required") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser: Any, locked: Site) -> AsyncIterator[Tab]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    tab = await Tab.open(context, locked.url)
    tab.expects = REFUSALS
    yield tab
    await context.close()
    assert tab.errors == []


async def sign_in(tab: Tab, key: str, *, keep: bool = False) -> None:
    await tab.page.wait_for_selector("#sign-in[open]")
    await tab.page.fill("#key", key)
    if keep:
        await tab.page.check("#keep")
    await tab.page.click("#sign-in .primary")


async def test_a_key_is_asked_for_checked_and_kept_only_if_wished(visitor: Tab, locked: Site) -> None:
    key = await locked.service.container.keys.create("ann")
    await visitor.goto()
    await sign_in(visitor, "rz_wrong_key")
    await visitor.page.wait_for_selector("#sign-in .wrong:has-text('not valid')")
    await sign_in(visitor, key)
    await visitor.page.wait_for_selector("#session .owner:has-text('ann')")
    await visitor.submit(PROMPT)
    await visitor.status("completed")
    assert await visitor.run("localStorage.getItem('reelzero-key')") is None
    await visitor.page.click("#sign-out")
    await visitor.page.wait_for_selector("#open-sign-in")
    assert await visitor.run("sessionStorage.getItem('reelzero-key')") is None
    await visitor.page.click("#open-sign-in")
    await sign_in(visitor, key, keep=True)
    await visitor.page.wait_for_selector("#session .owner:has-text('ann')")
    other = await Tab.open(visitor.page.context, visitor.url)
    await other.goto()
    await other.page.wait_for_selector("#session .owner:has-text('ann')")


async def test_a_key_without_the_right_sees_no_operators_view(visitor: Tab, locked: Site) -> None:
    key = await locked.service.container.keys.create("bob")
    await visitor.goto()
    await sign_in(visitor, key)
    await visitor.page.wait_for_selector("#nav-operate", state="hidden")
    await visitor.page.goto(f"{visitor.url}/#/operate")
    await visitor.page.wait_for_selector("#operate .notice:has-text('no right to operate')")
    assert await visitor.page.locator(".figures").count() == 0


async def test_an_operator_tries_a_paused_model_and_sends_a_dead_delivery_again(
    visitor: Tab, locked: Site
) -> None:
    container = locked.service.container
    operator, ann = await container.keys.create("root", may_operate=True), await container.keys.create("ann")
    job = await locked.call("POST", "/v1/jobs", ann, prompt=PROMPT, callback_url=locked.hook)
    await locked.ended(job["id"], ann)
    record = await container.job_store.get(job["id"])
    for _ in range(OPEN_AFTER):
        await container.claims.start_failed(record, "no pod came <b>in time</b>", 3600.0)
    waiting = await locked.call("POST", "/v1/jobs", ann, prompt=PROMPT)
    await visitor.goto()
    await sign_in(visitor, operator)
    await visitor.page.click("#nav-operate")
    await visitor.page.wait_for_selector(".pause:has-text('no pod came <b>in time</b>')")
    await visitor.page.wait_for_selector(".flows:has-text('ann')")
    await visitor.page.click(".pause button")
    assert (await locked.ended(waiting["id"], ann))["status"] == "completed"
    await visitor.page.wait_for_selector(".pause", state="detached")
    await visitor.page.click("[id^='again-']")
    await visitor.page.wait_for_selector("[id^='again-']", state="detached")
    await visitor.page.wait_for_selector("tr:has-text('root'):has-text('Yes')")
    assert operator.split("_", 2)[2] not in await visitor.page.content()
    await visitor.page.wait_for_selector(".operate-cost tr:has-text('A week')")
    async with visitor.page.expect_download() as saving:
        await visitor.page.click("#usage-csv")
    text = await asyncio.to_thread(Path(await (await saving.value).path()).read_text)
    assert {line["owner"] for line in csv.DictReader(io.StringIO(text))} >= {"ann"}
