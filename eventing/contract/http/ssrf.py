"""Keep webhooks and pictures away from internal addresses (server-side request forgery).

The address is checked when the socket is made, after DNS: a name that passed an earlier check may resolve to
another address a moment later. The operator can list exceptions (REELZERO_WEBHOOK_ALLOW and
REELZERO_PICTURE_ALLOW: host:port or CIDR). The sink is the operator's own setting and is not checked.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from eventing.contract.errors import ConfigurationError
from eventing.contract.http.reserved import is_reserved

NAT64 = IPv6Network("64:ff9b::/96")


class BlockedAddress(OSError):
    """The address is internal and not on the operator's list."""


def is_public(address: str) -> bool:
    """Tell whether an address is on the public internet.

    Of an IPv6 address that stands for an IPv4 address (mapped, NAT64) the inner one is checked.
    """
    ip: IPv4Address | IPv6Address = ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip)
    return not is_reserved(ip)


class AddressPolicy:
    """The addresses that one kind of requests may reach. `setting` is the variable of the exceptions.

    Raises ConfigurationError for an entry that cannot be read.
    """

    def __init__(
        self, allow: tuple[str, ...], what: str = "webhooks", setting: str = "REELZERO_WEBHOOK_ALLOW"
    ) -> None:
        entries = [_entry(text, setting) for text in allow]
        self._what = what
        self._hosts = {entry for entry in entries if isinstance(entry, tuple)}
        self._networks = [entry for entry in entries if not isinstance(entry, tuple)]

    def exempts(self, url: str) -> bool:
        """Tell whether the URL's host and port are on the operator's list."""
        return _host_and_port(url) in self._hosts

    def permits(self, address: str) -> bool:
        """Tell whether a resolved address may be reached."""
        ip = ip_address(address.split("%", maxsplit=1)[0])
        return is_public(address) or any(ip in network for network in self._networks)

    def socket(self, address: Any) -> socket.socket:
        """Make a socket for a resolved address: aiohttp's `socket_factory`. Raises BlockedAddress."""
        family, kind, protocol, _, target = address
        if not self.permits(target[0]):
            raise BlockedAddress(f"{self._what} may not reach {target[0]}: it is not a public address")
        return socket.socket(family, kind, protocol)


def _entry(text: str, setting: str) -> tuple[str, int] | IPv4Network | IPv6Network:
    try:
        return ip_network(text) if "/" in text else _host_and_port(f"//{text}")
    except ValueError as error:
        raise ConfigurationError(
            f"{setting}: {text!r} is neither host:port nor a CIDR ({error})",
            field=setting,
        ) from error


def _host_and_port(url: str) -> tuple[str, int]:
    """Return the host of a URL, an IP address in its shortest form, and the port. Raises ValueError."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    if not parts.hostname or not port:
        raise ValueError("it needs a host and a port")
    try:
        return str(ip_address(parts.hostname)), port
    except ValueError:
        return parts.hostname, port
