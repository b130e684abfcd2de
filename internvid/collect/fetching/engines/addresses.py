"""Which addresses may be connected to. Names are resolved once, and that very address is used.

A table of a stranger may name anything, and a server may redirect anywhere: to this machine, to a
router, to the service that hands out a cloud's keys. So scheme and address are checked before each
request, after each redirect. A name that is resolved twice may have two answers, so what is checked
is what is connected to.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from internvid.collect.fetching.reasons import NotFetchedError
from internvid.core.system.public_addresses import is_public

SCHEMES = ("http", "https")
PORTS = {"http": 80, "https": 443}


def refused(host: str, address: str) -> NotFetchedError:
    """What an address that is not public gives."""
    return NotFetchedError(
        f"{host} is {address}, which is not public; --allow-private fetches from there",
        "refused_host",
    )


async def resolved(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """The addresses of a name, all of which may be connected to.

    Raises:
        NotFetchedError: `refused_host`, where any of them is not public; `network`, where there is
            none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotFetchedError(
            f"{host} has no address: {error}", "network", is_final=False
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        for address in addresses:
            if not is_public(address):
                raise refused(host, address)
    return addresses
