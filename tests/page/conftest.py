"""One service and one Chromium for all tests of the page; each test has a browser context of its own.

A test fails if its page has written an error to the console, unless it expects some.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from eventing import testing
from eventing.contract.storage.s3 import Bucket
from tests.page.files import make_files
from tests.page.server import Site, site
from tests.page.tab import FLAGS, Tab

INK = """
kind: lora
name: ink
title: Drawn in ink
models: [shapes-tiny]
folder: /adapters
file: ink.safetensors
scale: {min: 0, max: 2, default: 0.5}
licence: Apache-2.0
"""
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="package")
def playing_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Videos that play, in place of the fake predictor's words, for this package alone."""
    files = make_files(tmp_path_factory.mktemp("files"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "_content", lambda _job, _attempt, name: files[name])
        yield


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def server(
    tmp_path_factory: pytest.TempPathFactory, bucket: Bucket, playing_files: None
) -> AsyncIterator[Site]:
    """The service that all tests share. It wants no key."""
    catalog = tmp_path_factory.mktemp("catalog")
    (catalog / "ink.yaml").write_text(INK)
    async with site(tmp_path_factory.mktemp("page"), bucket, catalog_dir=catalog) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    """A Chromium without a window."""
    playwright = pytest.importorskip("playwright.async_api", reason="pip install playwright runs this test")
    if CHROMIUM is None:
        pytest.skip("apt-get install chromium runs the tests of the page")
    async with playwright.async_playwright() as api:
        browser = await api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Any, server: Site) -> AsyncIterator[Tab]:
    """A tab of a new visitor, at no address yet."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    tab = await Tab.open(context, server.url)
    yield tab
    await context.close()
    assert tab.errors == [], "the page wrote errors to the console"
