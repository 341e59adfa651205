"""Keep webhooks away from internal addresses (server-side request forgery).

The address is checked when the socket is made, after DNS: a name that passed an earlier check may resolve to
another address a moment later. The operator can list exceptions (REELZERO_WEBHOOK_ALLOW: host:port or CIDR).
The sink is the operator's own setting and is not checked.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from eventing.contract.errors import ConfigurationError

_NAT64 = IPv6Network("64:ff9b::/96")
# All global unicast addresses. Addresses outside can map to internal networks (local NAT64 of RFC 8215,
# IPv4-compatible, IPv4-translated, site-local), although Python calls some of them global.
_UNICAST = IPv6Network("2000::/3")
_DOCUMENTATION = IPv6Network("3fff::/20")  # RFC 9637: younger than some Pythons


class BlockedAddress(OSError):
    """The address is internal and not on the operator's list."""


def is_public(address: str) -> bool:
    """Tell whether an address is on the public internet.

    Of an IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) the inner one is checked.
    """
    ip: IPv4Address | IPv6Address = ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if ip not in _UNICAST or ip in _DOCUMENTATION:
            return False
    return ip.is_global and not ip.is_multicast


class AddressPolicy:
    """The addresses that webhooks may reach. Raises ConfigurationError for an entry that cannot be read."""

    def __init__(self, allow: tuple[str, ...]) -> None:
        self._networks = [ip_network(entry) for entry in allow if "/" in entry]
        self._hosts = {entry.lower() for entry in allow if "/" not in entry}
        for entry in self._hosts:
            if not entry.rpartition(":")[2].isdigit():
                raise ConfigurationError(
                    f"REELZERO_WEBHOOK_ALLOW: {entry!r} is neither host:port nor a CIDR",
                    field="REELZERO_WEBHOOK_ALLOW",
                )

    def exempts(self, url: str) -> bool:
        """Tell whether the URL's host and port are on the operator's list."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"{parts.hostname}:{port}" in self._hosts

    def permits(self, address: str) -> bool:
        """Tell whether a resolved address may be reached."""
        ip = ip_address(address.split("%", maxsplit=1)[0])
        return is_public(address) or any(ip in network for network in self._networks)

    def connector(self) -> aiohttp.TCPConnector:
        """Return a connector that refuses other addresses at connect time."""
        return aiohttp.TCPConnector(socket_factory=self._socket, use_dns_cache=False)

    def _socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, target = address
        if not self.permits(target[0]):
            raise BlockedAddress(f"webhooks may not reach {target[0]}: it is not a public address")
        return socket.socket(family, kind, protocol)
