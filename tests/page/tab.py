"""One tab of a browser: what tests do with the page, and the errors that it wrote."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Self

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
PATIENCE = 300_000  # milliseconds; only a hang gets there


@dataclass
class Tab:
    """A page of Playwright and what it wrote. `expects` are words of errors that the test provokes."""

    page: Any
    url: str
    lines: list[str] = field(default_factory=list)
    expects: tuple[str, ...] = ()

    @classmethod
    async def open(cls, context: Any, url: str) -> Self:
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        tab = cls(page, url)
        page.on("console", lambda line: tab.lines.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: tab.lines.append(str(error)))
        return tab

    @property
    def errors(self) -> list[str]:
        return [line for line in self.lines if not any(words in line for words in self.expects)]

    async def goto(self, address: str = "") -> None:
        """Open an address of the page, such as #/operate, and wait for what it shows."""
        await self.page.goto(f"{self.url}/{address}")
        await self.page.wait_for_selector("#operate h1" if address == "#/operate" else "#prompt")

    async def submit(self, prompt: str) -> str:
        """Send a prompt; the id of the new job."""
        await self.page.fill("#prompt", prompt)
        await self.page.click("#go")
        return await self.job_id()

    async def run(self, script: str, argument: Any = None) -> Any:
        """What a script of the test returns in the page; a promise that nothing settles ends the test."""
        async with asyncio.timeout(PATIENCE / 1000):
            return await self.page.evaluate(script, argument)

    async def until(self, condition: str) -> None:
        """Wait until an expression is true. The page's policy forbids Playwright's own way to do this."""
        async with asyncio.timeout(PATIENCE / 1000):
            while not await self.run(condition):
                await asyncio.sleep(0.05)

    async def job_id(self) -> str:
        """The id of the job that the address names."""
        await self.page.wait_for_url(re.compile(r"#/jobs/"), wait_until="commit")
        return str(await self.page.evaluate("location.hash.split('/')[2]"))

    async def status(self, *wanted: str) -> str:
        """Wait until the shown job has one of these states."""
        names = ", ".join(f"#detail[data-status='{each}']" for each in wanted)
        await self.page.wait_for_selector(names)
        return str(await self.page.get_attribute("#detail", "data-status"))
