"""A request before and while its body is read, and plain replies: bounded in bytes and in silence."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ingest.settings import SOURCE_BYTES

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

UPLOAD = "/gradio_api/upload"
UPLOAD_BYTES = SOURCE_BYTES + 2**20  # a file and the form around it
BODY_BYTES = 2 * 2**20  # of any other request
SLOWEST = 30.0  # seconds that a client may keep silent in the middle of its request
RATE = 1000  # bytes a second that it must send beyond those: else it may hold a place for days
_ONCE = ("host", "origin", "authorization", "content-length")


class RefusedError(Exception):
    """A request that ends here: status and line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


@dataclass(frozen=True)
class Request:
    """What is asked, and by whom, before anything of the body is read; `limit` is of its bytes."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    address: str
    limit: int

    @classmethod
    def read(cls, scope: Scope) -> "Request":
        """The request of an ASGI scope. Raises `RefusedError` when a header that must be unique is not."""
        headers: dict[str, str] = {}
        for raw, value in scope["headers"]:
            name = raw.decode("latin-1").lower()
            if name in headers and name in _ONCE:
                raise RefusedError(400, f"The header {name} is given twice.")
            headers[name] = value.decode("latin-1")
        path: str = scope["path"]
        limit = UPLOAD_BYTES if path.startswith(UPLOAD) else BODY_BYTES
        address = (scope.get("client") or ("",))[0]
        return cls(scope["method"], path, scope["query_string"].decode("latin-1"), headers, address, limit)


class Outlet:
    """`send` of a reply. When the request was refused while the application read it, the refusal is the reply."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.refused: RefusedError | None = None
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Pass on a message of the application."""
        if self.refused is None:
            self.begun = True
            await self._send(message)
        else:
            await self.refuse(self.refused)

    async def refuse(self, refused: RefusedError) -> None:
        """Reply with the refusal if no reply has begun."""
        if not self.begun:
            self.begun = True
            await text(self._send, refused.status, refused.line)


def limited(receive: Receive, limit: int, outlet: Outlet) -> Receive:
    """`receive` that raises `RefusedError` for a body of more than `limit` bytes, or one that comes too slowly."""
    got, waited, whole = 0, 0.0, False

    def refused(status: int, line: str) -> RefusedError:
        outlet.refused = RefusedError(status, line)
        return outlet.refused

    async def receiving() -> Message:
        nonlocal got, waited, whole
        if whole:  # what comes now is the end of the connection, and that may take its time
            return await receive()
        begun = monotonic()
        try:
            message = await asyncio.wait_for(receive(), min(SLOWEST, SLOWEST + got / RATE - waited))
        except asyncio.TimeoutError:
            raise refused(408, "The request did not come to its end.") from None
        waited += monotonic() - begun
        got += len(message.get("body", b""))
        whole = not message.get("more_body")
        if got > limit:
            raise refused(413, too_large(limit))
        return message

    return receiving


def too_large(limit: int) -> str:
    """The line for a body of more than `limit` bytes."""
    taken = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} KB"
    return f"The request is too large: at most {taken} are taken."


async def body_of(receive: Receive) -> bytes:
    """The whole body."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives a body that was read already, then goes on with the connection."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


async def text(send: Send, status: int, line: str, headers: dict[str, str] | None = None) -> None:
    """Reply with one line of plain text."""
    await respond(send, status, "text/plain; charset=utf-8", line, headers or {})


async def respond(send: Send, status: int, kind: str, content: str, headers: dict[str, str]) -> None:
    """Reply with `content` of the media type `kind`."""
    body = content.encode()
    plain = {"content-type": kind, "content-length": str(len(body)), **headers}
    pairs = [(name.encode(), value.encode()) for name, value in plain.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
