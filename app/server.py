"""The web server: FastAPI, the guard before it, the page and the other doors in it, uvicorn.

Safe by default: loopback only unless APP_AUTH is set, nothing of Gradio's environment, private
folders, and no route that the product does not need.
"""

import asyncio
import ipaddress
import logging
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.guard import Guard
from app.login import read_users
from app.request import SLOWEST
from app.room import Room
from app.uploads import has_room
from ingest import UserError
from ingest.settings import Settings

STATIC = Path(__file__).resolve().parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEAD = '<link rel="stylesheet" href="/room/page.css"><script src="/room/page.js"></script>'


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the chat until Ctrl-C. Raises `UserError` when it may not or cannot listen there."""
    users = _users(settings)
    if not users and not _is_loopback(host):
        raise UserError(
            f"{host} can be reached from other machines: set APP_AUTH=user:password first, or leave --host out."
        )
    if settings.app_hosts and not users:
        raise UserError(
            "APP_HOSTS lets others in by a proxy: set APP_AUTH=user:password first, or leave APP_HOSTS out."
        )
    listener = _listen(host, port)
    with tempfile.TemporaryDirectory(prefix="reading-room-") as uploads:
        room = Room(settings)
        room.open()
        app = create_app(settings, room, Path(uploads), host)
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            h11_max_incomplete_event_size=64 * 1024,
            forwarded_allow_ips=["127.0.0.1", "::1"],
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        shown = f"[{host}]" if ":" in host else host
        try:
            _Server(config, room, f"http://{shown}:{listener.getsockname()[1]}").run(sockets=[listener])
        finally:
            room.close()
            listener.close()


class _Protocol(H11Protocol):
    """HTTP by h11, which bounds the headers of a request in bytes (httptools does not); here in time too."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Take what comes; what begins a request must go on to the end of its headers."""
        super().data_received(data)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        if self._patience:
            self._patience.cancel()

    def _await_headers(self) -> None:
        if self.cycle and not self.cycle.response_complete:
            if self._patience:
                self._patience.cancel()
            self._patience = None
        elif self._patience is None:
            self._patience = self.loop.call_later(SLOWEST, self.transport.close)


class _Server(uvicorn.Server):
    """Says when it is open, and loads then what the first question needs.

    Ends without a word: an open page holds a stream, and cutting it is no error of the app.
    """

    def __init__(self, config: uvicorn.Config, room: Room, address: str) -> None:
        super().__init__(config)
        self._room, self._address = room, address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"The chat is open on {self._address} (Ctrl-C ends it).", flush=True)
        self._room.warm()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def create_app(settings: Settings, room: Room, uploads: Path, host: str = "127.0.0.1") -> Guard:
    """The whole application as ASGI; `uploads` is a private folder for files being added."""
    _prepare_gradio(uploads)
    from app.api import routes
    from app.library import Library
    from app.mcp import create_mcp
    from app.page import mount

    mcp = create_mcp(room)
    mcp_routes = mcp.streamable_http_app().routes

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with mcp.session_manager.run():
            yield
        room.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.include_router(routes(room))
    app.router.routes.extend(mcp_routes)
    app.mount("/room", StaticFiles(directory=STATIC))
    mount(app, room, Library(room, uploads))
    return Guard(app, _hosts(host, settings.app_hosts), _users(settings), HEAD, lambda: has_room(uploads))


def _prepare_gradio(uploads: Path) -> None:
    """Before Gradio is imported: none of its variables but ours, no telemetry, private files."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    uploads.chmod(0o700)


def _users(settings: Settings) -> dict[str, str]:
    try:
        return read_users(settings.app_auth)
    except ValueError:
        raise UserError("APP_AUTH must be user:password, several separated by commas.") from None


def _hosts(host: str, public: Sequence[str]) -> frozenset[str]:
    """The names that requests may call the server by; any when it listens for other machines and none is set."""
    if not _is_loopback(host) and not public:
        return frozenset("*")
    return frozenset((*LOOPBACK, host.strip("[]"), *(name.lower() for name in public)))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow begins. Raises `UserError` if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise UserError(
            f"Cannot listen on {host}:{port} ({reason}): take another one: python -m app --port {port + 1}"
        ) from error
    return listener
