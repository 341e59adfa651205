"""List the networks that webhooks and pictures may not reach, in one table for the code and for the chart.

The table holds the special-purpose registries of IANA and the addresses of cloud services that look public.
Python's `ipaddress` has such a table too, but its contents change between versions and have no clouds.
The NetworkPolicies of charts/reelzero except the same networks; a test compares them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

RESERVED_IPV4: dict[str, str] = {
    "0.0.0.0/8": "this host",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier NAT; Alibaba Cloud's metadata (100.100.100.200)",
    "127.0.0.0/8": "loopback",
    "161.26.0.0/16": "IBM Cloud's infrastructure services",
    "166.8.0.0/14": "IBM Cloud's service endpoints",
    "168.63.129.16/32": "Azure's WireServer",
    "169.254.0.0/16": "link-local; metadata of AWS, Google, Azure, Oracle and others",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "IETF protocols; Oracle Cloud's metadata (192.0.0.192)",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "199.36.153.4/30": "Google APIs inside a VPC (restricted.googleapis.com)",
    "199.36.153.8/30": "Google APIs inside a VPC (private.googleapis.com)",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved; broadcast",
}
# Only 2000::/3 is assigned to the internet. Outside lie loopback, fe80::/10, fc00::/7 (metadata of AWS:
# fd00:ec2::254, of Google: fd20:ce::254) and prefixes that map to IPv4. These networks are inside:
UNICAST_IPV6 = "2000::/3"
RESERVED_IPV6: dict[str, str] = {
    "2001::/23": "IETF protocols, Teredo included",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4, which maps to IPv4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
}
_IPV4 = [IPv4Network(text) for text in RESERVED_IPV4]
_IPV6 = [IPv6Network(text) for text in RESERVED_IPV6]
_UNICAST = IPv6Network(UNICAST_IPV6)


def is_reserved(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is in the table, or is an IPv6 address outside of 2000::/3."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _IPV4)
    return address not in _UNICAST or any(address in network for network in _IPV6)
