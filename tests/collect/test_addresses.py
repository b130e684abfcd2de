"""Which addresses are connected to, and which are not, in whatever form they are written."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from internvid.collect.fetching.engines.addresses import resolved
from internvid.collect.fetching.engines.pacing import HostPace, retry_after_seconds
from internvid.collect.fetching.engines.robots import refuses_training
from internvid.collect.fetching.reasons import NotFetchedError
from internvid.core.system.public_addresses import is_public
from tests.collect.conftest import QUICK, Fetch, needs_protego
from tests.collect.web_servers import Site, http_date
from tests.listening import Listener


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
        "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "2002:7f00:1::", "64:ff9b::a00:1", "192.0.2.1", "198.18.0.1", "not an address",
    ],
)  # fmt: skip
def test_addresses_of_a_machine_or_a_net_of_its_own_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "151.101.1.69", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "0x7f000001", "2130706433", "127.1", "::1"]
)
def test_a_name_is_resolved_before_it_is_looked_at(host: str) -> None:
    with pytest.raises(NotFetchedError) as caught:
        asyncio.run(resolved(host, 80, allow_private=False))
    # What the system takes for no address at all is not connected to either.
    assert caught.value.reason in ("refused_host", "network")


def test_one_private_address_among_public_ones_refuses_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def two(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (each, 80)) for each in ("8.8.8.8", "10.0.0.1")]

    async def check() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
        await resolved("rebinding.example", 80, allow_private=False)

    with pytest.raises(NotFetchedError, match=r"10\.0\.0\.1"):
        asyncio.run(check())


@needs_protego
def test_nothing_private_is_called_without_permission(
    site: Site, fetch: Fetch, listener: Listener
) -> None:
    port = listener.server.getsockname()[1]
    uris = [f"http://127.0.0.1:{port}/a", f"http://localhost:{port}/a", f"http://2130706433:{port}/",
            f"http://[::ffff:127.0.0.1]:{port}/", "file:///etc/passwd", "ftp://h/x",
            f"http://user:word@127.0.0.1:{port}/", "http:///x", "nothing"]  # fmt: skip
    public = replace(QUICK, allow_private=False, tries=1)
    summary = fetch(*uris, settings=public)
    assert (summary.fetched, summary.reasons["refused_host"]) == (0, len(uris) - summary.failed)
    assert summary.failed <= 1
    assert listener.heard == 0


@needs_protego
def test_a_redirect_is_looked_at_like_any_address(
    site: Site, fetch: Fetch, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from internvid.collect.fetching.engines import addresses

    # As if the site were public, and only what it redirects to were not.
    port = listener.server.getsockname()[1]
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    site.behaviours["/a"] = lambda handler, _: handler.answer(
        302, Location=f"http://[::1]:{port}/secret"
    )
    site.behaviours["/b"] = lambda handler, _: handler.answer(302, Location="http://10.1.2.3/")
    closed = replace(QUICK, allow_private=False, tries=1)
    assert fetch("/a", "/b", settings=closed).reasons == {"refused_host": 2}
    assert listener.heard == 0


def test_the_worker_of_sites_connects_to_public_addresses_alone() -> None:
    import subprocess
    import sys

    script = (
        "import socket, urllib.request\n"
        "from internvid.collect.fetching.engines.site_worker import guard_sockets\n"
        "guard_sockets(['127.0.0.9']); guard_sockets(['127.0.0.9'])\n"
        "for address in [('127.0.0.1', 9), ('localhost', 9), ('10.0.0.1', 9)]:\n"
        "    try:\n        socket.create_connection(address, 1)\n"
        "    except OSError as error:\n        print('does not connect' in str(error))\n"
        "try:\n    urllib.request.urlopen('http://127.0.0.1:9/')\n"
        "except OSError as error:\n    print('does not connect' in str(error))\n"
        "try:\n    socket.create_connection(('127.0.0.9', 9), 1)\n"
        "except ConnectionRefusedError:\n    print('tried')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True"] * 4 + ["tried"]


def test_a_pace_gives_turns_evenly_and_keeps_pauses() -> None:
    async def turns() -> list[float]:
        pace, loop = HostPace(per_second=20.0, burst=2), asyncio.get_running_loop()
        began = loop.time()
        moments: list[float] = []

        async def one() -> None:
            await pace.turn()
            moments.append(loop.time() - began)

        await asyncio.gather(*(one() for _ in range(6)))
        pace.pause(0.3)
        await one()
        return moments

    moments = asyncio.run(turns())
    assert moments[4] >= 0.15
    assert moments[5] < 1.0
    assert moments[6] - moments[5] >= 0.29


def test_nobody_waits_for_the_end_of_a_long_pause() -> None:
    async def wait() -> None:
        pace = HostPace(per_second=20.0, longest_pause_seconds=1.0)
        pace.pause(60.0)
        await pace.turn()

    with pytest.raises(NotFetchedError) as caught:
        asyncio.run(wait())
    assert caught.value.reason == "rate_limited"


def test_headers_of_waiting_and_of_training_are_read() -> None:
    assert retry_after_seconds(" 7 ") == 7.0
    assert retry_after_seconds("soon") is None
    assert 55 < (retry_after_seconds(http_date(60)) or 0) <= 60
    assert retry_after_seconds(http_date(-60)) == 0.0
    for value in ("noai", "noindex, NoAI", "internvid: noml", "*: noimageai"):
        assert refuses_training({"x-robots-tag": value}), value
    for value in ("noindex", "otherbot: noai", ""):
        assert not refuses_training({"x-robots-tag": value}), value
    assert refuses_training({"tdm-reservation": "1"})
    assert not refuses_training({"tdm-reservation": "0"})
