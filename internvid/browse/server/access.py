"""Who may speak to the server: this machine's own browser, with the token, and nobody else.

A page of a stranger can send requests to 127.0.0.1 from the browser of whoever looks at it. What
stands against that, as in Jupyter: the name of the host must be one of ours (else a name that is
resolved anew would make the stranger's page one of ours); a token in the first address, then a
cookie that other sites' pages do not send (`SameSite=Strict`); and for each change the `Origin` of
our own page and the token in a header, which no form of a stranger can send.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "internvid_browse"
TOKEN_HEADER = "x-internvid-token"
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD"})
_CHANGES_NOTHING = frozenset({"/api/pictures"})
_MOST_BODY_BYTES = 16 << 20
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "media-src 'self'; connect-src 'self'; font-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
"""Sent with every answer: nothing is loaded from elsewhere, and no other page frames ours."""


@dataclass(frozen=True)
class Access:
    """What a request must show.

    Attributes:
        port: that the server listens on.
        hosts: names and addresses that are its own, beside those of this machine.
        token: the secret of this run.
        is_read_only: whether every change is refused.
    """

    port: int
    hosts: frozenset[str] = frozenset()
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    is_read_only: bool = False

    @property
    def cookie(self) -> str:
        """Name of the cookie: browsers keep one jar for all ports of a host."""
        return f"{COOKIE}_{self.port}"

    def knows_host(self, value: str) -> bool:
        """Whether a `Host` or the authority of an `Origin` is one of ours."""
        try:
            parts = urlsplit(f"//{value}")
            name, port = (parts.hostname or "").lower(), parts.port or 80
        except ValueError:
            return False
        return port == self.port and name in (_LOCAL_NAMES | self.hosts)

    def knows_token(self, value: str) -> bool:
        """Whether a text is the token, found out in the same time for every text."""
        return hmac.compare_digest(value.encode("utf-8", "replace"), self.token.encode())


class Gate:
    """Lets requests through to an application, or answers them itself.

    Args:
        application: behind it.
        access: what a request must show.
    """

    def __init__(self, application: ASGIApp, access: Access) -> None:
        self._application, self._access = application, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in names
                    ),
                ]
            await send(message)

        if answer is not None:
            await answer(scope, receive, send_guarded)
            return
        await self._application(scope, _bounded(receive), send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        access, method = self._access, scope["method"]
        if not access.knows_host(headers.get("host", "")):
            return _no(421, "this server does not answer to that name")
        fields = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in fields if name == "token"]
        if given and method in _SAFE:
            if not access.knows_token(given[0]):
                return _no(403, "the token is another one: use the address that was printed")
            rest = urlencode([pair for pair in fields if pair[0] != "token"])
            answer = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(access.cookie, access.token, httponly=True, samesite="strict")
            return answer
        if not access.knows_token(_cookie(headers, access.cookie)):
            return _no(403, "open the address with the token that internvid browse printed")
        if method in _SAFE:
            return None
        if access.is_read_only and scope["path"] not in _CHANGES_NOTHING:
            return _no(403, "the server was started with --read-only: nothing is changed")
        origin = headers.get("origin", "")
        if not origin.startswith("http://") or not access.knows_host(origin[len("http://") :]):
            return _no(403, "changes come from this server's own pages alone")
        if not access.knows_token(headers.get(TOKEN_HEADER, "")):
            return _no(403, f"changes need the token in the header {TOKEN_HEADER}")
        if headers.get("content-length", "").isdecimal():
            if int(headers["content-length"]) > _MOST_BODY_BYTES:
                return _no(413, f"at most {_MOST_BODY_BYTES} bytes are taken")
        else:
            return _no(411, "the length of what is sent must be stated")
        return None


def _bounded(receive: Receive) -> Receive:
    """What is sent, to the stated length at most."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > _MOST_BODY_BYTES:
            return {"type": "http.disconnect"}
        return message

    return bounded


def _cookie(headers: Headers, name: str) -> str:
    for line in headers.getlist("cookie"):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value.strip('"')
    return ""


def _no(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)


def own_names(host: str, more: Iterable[str] = ()) -> frozenset[str]:
    """Names that a server bound to `host` answers to.

    A wildcard address is every address of the machine: then any literal address of it is meant,
    and names have to be given.
    """
    names = {name.lower() for name in more}
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return frozenset({*names, host.lower()})
    return frozenset(names if address.is_unspecified else {*names, str(address)})
