"""A server between a program and an object store that breaks a share of all requests.

Run as a program: `python -m tests.stores.fault_proxy STORE_PORT SHARE SEED`; prints its port.
"""

from __future__ import annotations

import asyncio
import random
import sys

FAULTS = ("error after", "error before", "conflict", "reset", "lost reply", "stall")
"""What is done to a request: stored but answered by 500; not stored and 503; not stored and 409;
the connection cut before; stored and the connection cut; stored and answered too late."""
_WEIGHTS = (4, 4, 4, 4, 4, 1)
STALL_SECONDS = 8.0


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """The head and the body of a request or an answer; None at the end of a connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    size = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    # The answer to HEAD states the length of a body that does not come.
    return head, b"" if head.startswith(b"HEAD") else await reader.readexactly(size)


async def forwarded(port: int, head: bytes, body: bytes) -> bytes:
    """What the store answers, whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [x for x in head.split(b"\r\n") if not x.lower().startswith(b"connection:")]
    writer.write(lines[0] + b"\r\nConnection: close\r\n" + b"\r\n".join(lines[1:]) + body)
    await writer.drain()
    answer = await reader.read(-1)
    writer.close()
    return answer


def failing(status: str) -> bytes:
    """An answer without a body."""
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def serve(store_port: int, share: float, seed: int) -> None:
    """Serve until killed."""
    drawn = random.Random(seed)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await read_message(reader)
        if message is not None:
            head, body = message
            fault = drawn.choices(FAULTS, _WEIGHTS)[0] if drawn.random() < share else ""
            answer = b""
            if fault in ("", "error after", "lost reply", "stall"):
                answer = await forwarded(store_port, head, body)
            if fault == "stall":
                await asyncio.sleep(STALL_SECONDS)
            statuses = {
                "error after": "500 Internal Server Error",
                "error before": "503 Slow Down",
                "conflict": "409 Conflict",
            }
            if fault in statuses:
                answer = failing(statuses[fault])
            if fault in ("reset", "lost reply"):
                writer.transport.abort()
                return
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 26)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
