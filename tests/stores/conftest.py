"""A real S3 server on this machine, buckets in it, and a proxy that breaks requests."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
_SERVER = """
import sys, time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_numbers = itertools.count()


def started(*words: str) -> tuple[subprocess.Popen[str], int]:
    """A program that prints its port, and ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().isdecimal():
            return process, int(line)
    raise AssertionError("the server did not start")


@pytest.fixture(scope="session")
def store_port() -> Iterator[int]:
    """The port of a server that keeps buckets in memory."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed")
    pytest.importorskip("obstore")
    process, port = started("-c", _SERVER)
    yield port
    process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def store_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store-cache")


@pytest.fixture
def store(store_port: int, store_cache: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new bucket, which the environment leads to."""
    for name, value in {
        **_CREDENTIALS,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store_port}",
        "INTERNVID_CACHE": str(store_cache),
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://{new_bucket(store_port)}"


def new_bucket(port: int) -> str:
    """The name of a bucket that is made."""
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    address = f"http://127.0.0.1:{port}/{name}"
    with urllib.request.urlopen(urllib.request.Request(address, method="PUT")):
        return name


@pytest.fixture
def fault_proxy(store_port: int) -> Iterator[Callable[[float, int], int]]:
    """Starts a proxy that breaks a share of requests: (share, seed) -> port."""
    running: list[subprocess.Popen[str]] = []

    def start(share: float, seed: int) -> int:
        process, port = started(
            "-m", "tests.stores.fault_proxy", str(store_port), str(share), str(seed)
        )
        running.append(process)
        return port

    yield start
    for process in running:
        process.kill()
        process.communicate()
