"""Runs the server: picks a port, prints the address, opens a browser, stops on Ctrl-C."""

from __future__ import annotations

import contextlib
import getpass
import ipaddress
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from internvid.browse.server.run_folders import run_folder
from internvid.core.errors import DependencyMissingError, MisuseError
from internvid.dataset.store import Dataset
from internvid.pipeline.recipe import Recipe

DEFAULT_PORT = 8765


@dataclass(frozen=True)
class ServerSettings:
    """How a dataset is served.

    Attributes:
        host: name or address to listen on.
        port: to listen on; None takes 8765, or the next one that is free.
        names: further names by which browsers reach this machine.
        is_read_only: refuse every change.
        opens_browser: open the page in the user's browser.
        author: who reviews; the user's name when empty.
        recipes: name -> recipe; commands for other limits are changes of these.
        model: folder of the model that made the vectors, where the dataset does not say it.
        device: where it runs.
        exports: folder below which pages may start exports; None for none.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    names: tuple[str, ...] = ()
    is_read_only: bool = False
    opens_browser: bool = True
    author: str = ""
    recipes: Mapping[str, Callable[[], Recipe]] = field(default_factory=dict)
    model: str = ""
    device: str = "auto"
    exports: Path | None = None


def serve(
    dataset: Dataset, settings: ServerSettings, started: Callable[[str], None] | None = None
) -> None:
    """Serve a dataset until Ctrl-C.

    Args:
        dataset: to show.
        settings: where and how.
        started: called with the address, with its token, once it answers.

    Raises:
        DependencyMissingError: the extra `serve` is not installed.
        MisuseError: the port is taken, the host is none of this machine, or `exports` is no folder
            outside of the dataset.
    """
    try:
        import uvicorn

        from internvid.browse.server.access import Access, Gate, own_names
        from internvid.browse.server.application import make_application
        from internvid.browse.server.desk import Desk
        from internvid.browse.server.subsets.export_jobs import exports_root
    except ImportError as error:
        raise DependencyMissingError(
            f"pages are served by fastapi and uvicorn: {error}",
            hint='pip install "internvid[serve]"',
        ) from error
    exports = settings.exports and exports_root(settings.exports, dataset.root)
    listening = _listen(settings.host, settings.port)
    port = int(listening.getsockname()[1])
    access = Access(
        port,
        own_names(settings.host, settings.names),
        is_read_only=settings.is_read_only,
    )
    with run_folder() as folder:
        desk = Desk(
            dataset,
            folder,
            settings.author or _user(),
            model=settings.model,
            device=settings.device,
            exports=exports,
        )
        desk.recipes = settings.recipes
        building = threading.Thread(target=_build, args=(desk.table.build,), daemon=True)
        building.start()
        gate = Gate(make_application(desk, access), access)
        config = uvicorn.Config(gate, log_level="warning", access_log=False, lifespan="off")
        address = f"http://{_shown(settings.host)}:{port}/?token={access.token}"
        server = uvicorn.Server(config)

        def announce() -> None:
            if started is not None:
                started(address)
            if settings.opens_browser:
                webbrowser.open(address)

        timer = threading.Timer(0.3, announce)
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listening])
        finally:
            timer.cancel()
            building.join()
            desk.close()


def _build(build: Callable[[], None]) -> None:
    # Whoever asks for a page is told what went wrong.
    with contextlib.suppress(Exception):
        build()


def _listen(host: str, port: int | None) -> socket.socket:
    ports: Iterable[int] = range(DEFAULT_PORT, DEFAULT_PORT + 20) if port is None else (port,)
    problem: OSError | None = None
    for each in ports:
        try:
            family = socket.getaddrinfo(host, each, type=socket.SOCK_STREAM)[0][0]
            listening = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise MisuseError(f"{host} is no address of this machine: {error}") from error
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, each))
            listening.listen(128)
        except OSError as error:
            listening.close()
            problem = error
            continue
        return listening
    raise MisuseError(
        f"no page can be served at {host}:{port or DEFAULT_PORT}: {problem}",
        hint="another port: --port 9000, or --port 0 for any that is free",
    )


def _shown(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1"
    return f"[{address}]" if address.version == 6 else str(address)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "someone"
