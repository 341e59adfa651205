"""The pages `/` and `/docs` load nothing from another host, and their policy allows no inline script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment

PAGES = pytest.mark.parametrize("path", ["/", "/docs"])
CSS_URL = re.compile(r"url\(\s*[\"']?([^\"')]{1,64})|@import\s+(\S+)")


class Loads(HTMLParser):
    """Collects what a page loads, and the text of its inline scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self._in_script = tag == "script"
        address = named.get("href") if tag == "link" else named.get("src")
        if address and not address.startswith("data:"):
            self.addresses.append(address)
        self.inline += [f"{name}={value}" for name, value in attributes if name.startswith(("on", "style"))]

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, _tag: str) -> None:
        self._in_script = False


async def loads(service: Deployment, path: str) -> Loads:
    answer, body = await service.call("GET", path)
    assert (answer.status, answer.content_type) == (200, "text/html")
    page = Loads()
    page.feed(body.decode())
    return page


@PAGES
async def test_a_page_forbids_what_comes_from_elsewhere(service: Deployment, path: str) -> None:
    answer, _ = await service.call("GET", path)
    policy = answer.headers["Content-Security-Policy"]
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    address = urlsplit(service.service.container.bucket.presign("x", 1))
    assert parts["default-src"] == "'self'" and "unsafe" not in policy and "*" not in policy
    assert {source for part in parts.values() for source in part.split() if "//" in source} == {
        f"{address.scheme}://{address.netloc}"  # of presigned videos and pictures
    }
    assert "script-src" not in parts and "connect-src" not in parts
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await loads(service, path)).inline == []


@pytest.mark.parametrize("prefix", ["", "/video"])
@PAGES
async def test_everything_that_a_page_loads_comes_from_this_server(
    tmp_path: Path, bucket: Bucket, path: str, prefix: str
) -> None:
    async with deployment(tmp_path, bucket, public_url=f"http://127.0.0.1{prefix}") as service:
        addresses = (await loads(service, prefix + path)).addresses
        assert len(addresses) >= 2
        for address in addresses:
            assert not urlsplit(address).netloc, address
            answer, body = await service.call("GET", urljoin(prefix + path, address))
            assert answer.status == 200, address
            if answer.content_type == "text/css":
                outside = [url for url in CSS_URL.findall(body.decode()) if not url[0].startswith("data:")]
                assert outside == [], address


@pytest.mark.parametrize("path", ["/redoc", "/docs/oauth2-redirect"])
async def test_what_would_load_from_elsewhere_is_not_served(service: Deployment, path: str) -> None:
    assert (await service.call("GET", path))[0].status == 404


@pytest.mark.parametrize("prefix", ["", "/video"])
async def test_a_slash_too_many_leads_to_the_same_host(tmp_path: Path, bucket: Bucket, prefix: str) -> None:
    """The redirect names no scheme and no host, which a proxy may have changed."""
    async with deployment(tmp_path, bucket, public_url=f"https://videos.example{prefix}") as service:
        answer, _ = await service.call("GET", f"{prefix}/docs/?a=b", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (307, f"{prefix}/docs?a=b")
