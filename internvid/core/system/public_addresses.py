"""Which addresses are reached through the internet, and not this machine's or a network's own.

A table of a stranger may name anything: this machine, a router, the service that hands out a
cloud's keys. Whoever connects where a table says asks here first, about the very address that is
connected to.
"""

from __future__ import annotations

import ipaddress

# Addresses of IPv4 in the clothes of IPv6, beside those that Python knows (RFC 6052).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(text: str) -> bool:
    """Whether an address is reached through the internet, in whatever form it is written."""
    try:
        address: _Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_global(each) for each in (address, *_inner(address)))


def _is_global(address: _Address) -> bool:
    return address.is_global and not address.is_multicast


def _inner(address: _Address) -> list[_Address]:
    """Addresses of IPv4 that one of IPv6 stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _TRANSLATED:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]
