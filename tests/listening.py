"""A port on loopback that counts who knocks."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass
class Listener:
    """Accepts nothing; counts connections that were tried.

    Attributes:
        server: a listening socket.
    """

    server: socket.socket

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    @property
    def heard(self) -> int:
        count = 0
        while True:
            try:
                self.server.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1
