"""What stands before every route: hosts, origins, log-in, size limits, and the security headers.

Plain ASGI, so that streams pass through unbuffered; only the page itself is held back, to give each
of its scripts the nonce of the content security policy. Routes of Gradio that the page does not use
do not exist here.
"""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from html import escape
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "reading_room"
LOGIN_TRIES = 10  # wrong passwords from one address in LOGIN_WINDOW seconds; then 429
LOGIN_WINDOW = 300.0
LOGIN_PAUSE = 0.5  # seconds before a wrong password is answered
UPLOAD_BYTES = 51 * 2**20  # a file of 50 MB and the form around it
BODY_BYTES = 2 * 2**20  # of any other request

# What the page and the other doors use. Of Gradio's routes, those that read files, proxy, show
# schemas or run code by name are left out.
_ROUTES = re.compile(
    r"/$|/config$|/theme\.css$|/favicon\.ico$|/robots\.txt$|/login$|/room/|/assets/|/static/"
    r"|/gradio_api/(?:queue/(?:join|data)|upload|component_server|cancel|reset|startup-events|heartbeat/[a-z0-9]{1,40})/?$"
    r"|/v1/|/mcp(?:/|$)"
)
# Readable without log-in: nothing but the log-in page and its style.
_OPEN = re.compile(r"/login$|/room/page\.css$|/favicon\.ico$|/robots\.txt$")
_DOORS = re.compile(r"/v1/|/mcp(?:/|$)")
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_OUTSIDE = re.compile(rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>|\s*<link rel="manifest"[^>]*>')


def policy(nonce: str) -> str:
    """The content security policy.

    Scripts are ours or carry the nonce: no inline script, no handler in an attribute. Gradio 6
    compiles the templates of gr.HTML with `Function`, hence 'unsafe-eval'; styles it sets inline.
    """
    return (
        "default-src 'self'; "
        f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; script-src-attr 'none'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; media-src 'none'; object-src 'none'; frame-src 'none'; worker-src 'self'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


@dataclass
class Tries:
    """Wrong log-ins by address."""

    wrong: dict[str, list[float]] = field(default_factory=dict)

    def blocked(self, address: str) -> bool:
        """Whether `address` has used up its tries."""
        recent = [at for at in self.wrong.get(address, []) if monotonic() - at < LOGIN_WINDOW]
        if recent:
            self.wrong[address] = recent
        else:
            self.wrong.pop(address, None)
        return len(recent) >= LOGIN_TRIES

    def note(self, address: str) -> None:
        """Count one wrong log-in."""
        self.wrong.setdefault(address, []).append(monotonic())


def read_users(app_auth: str | None) -> dict[str, str]:
    """`user:password,user:password` as a dictionary; raises `ValueError` on anything else."""
    users: dict[str, str] = {}
    for pair in (app_auth or "").split(","):
        if not pair.strip():
            continue
        user, colon, password = pair.strip().partition(":")
        if not (user and colon and password):
            raise ValueError("APP_AUTH")
        users[user] = password
    return users


class Guard:
    """Wraps the whole application.

    `hosts` are the host names that it may be called by, `users` the passwords by name (none: no
    log-in), `head` is HTML for the end of the page's head.
    """

    def __init__(self, app: App, hosts: frozenset[str], users: dict[str, str], head: str = "") -> None:
        self._app, self._hosts, self._users, self._head = app, hosts, users, head.encode()
        self._secret = secrets.token_bytes(32)
        self._tries = Tries()
        self._sessions: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what must be refused; pass on the rest with headers added."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        path: str = scope["path"]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        nonce = secrets.token_urlsafe(16)
        send = _with_headers(send, path, nonce, self._head)
        if refusal := self._refusal(scope, headers, path):
            return await _text(send, *refusal)
        if path == "/login":
            return await self._login(scope, receive, send)
        user = self._user(headers, path)
        if user is None and not _OPEN.match(path):
            return await self._unknown(scope, headers, path, send)
        if not self._owns_session(scope, user or ""):
            return await _text(send, 403, "This session is another user's.")
        scope["user"] = user
        limit = UPLOAD_BYTES if path.startswith("/gradio_api/upload") else BODY_BYTES
        return await self._app(scope, _limited(receive, limit), send)

    def _refusal(self, scope: Scope, headers: dict[str, str], path: str) -> tuple[int, str] | None:
        host = _host_name(headers.get("host", ""))
        if host not in self._hosts and "*" not in self._hosts:
            return 400, "This server is not known by that name."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return 403, "Requests from other sites are refused."
        if headers.get("sec-fetch-site", "none") == "cross-site" and scope["method"] not in ("GET", "HEAD"):
            return 403, "Requests from other sites are refused."
        if not _ROUTES.match(path) or "/../" in path or "file=" in path:
            return 404, "Not found."
        length = headers.get("content-length", "0")
        limit = UPLOAD_BYTES if path.startswith("/gradio_api/upload") else BODY_BYTES
        if not length.isdigit() or int(length) > limit:
            return 413, f"The request is too large: at most {limit // 2**20} MB are taken."
        return None

    def _user(self, headers: dict[str, str], path: str) -> str | None:
        """Who asks: "" when no log-in is set up, None when it is and this is nobody we know."""
        if not self._users:
            return ""
        if _DOORS.match(path):
            return self._by_header(headers.get("authorization", ""))
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return self._by_cookie(cookie.value) if cookie else None

    def _by_header(self, value: str) -> str | None:
        """`Bearer user:password` (what chat clients send as their key) or HTTP Basic."""
        kind, _, rest = value.partition(" ")
        if kind.lower() == "basic":
            try:
                rest = base64.b64decode(rest, validate=True).decode()
            except ValueError:
                return None
        user, _, password = rest.partition(":")
        return user if self._right(user, password) else None

    def _by_cookie(self, value: str) -> str | None:
        user, _, seal = value.rpartition(".")
        name = base64.urlsafe_b64decode(user.encode() + b"==").decode("utf-8", "replace") if user else ""
        return name if name in self._users and hmac.compare_digest(seal, self._seal(name)) else None

    def _seal(self, user: str) -> str:
        return hmac.new(self._secret, user.encode(), hashlib.sha256).hexdigest()

    def _right(self, user: str, password: str) -> bool:
        expected = self._users.get(user, "")
        same = hmac.compare_digest(expected.encode(), password.encode("utf-8", "replace"))
        return same and bool(expected)

    def _owns_session(self, scope: Scope, user: str) -> bool:
        """A Gradio session belongs to the first user who named it: its answers go to no one else."""
        if not self._users:
            return True
        named = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
        if "/heartbeat/" in scope["path"]:
            named.append(scope["path"].rstrip("/").rsplit("/", 1)[1])
        if len(self._sessions) > 10_000:
            self._sessions.pop(next(iter(self._sessions)))
        return all(self._sessions.setdefault(session, user) == user for session in named)

    async def _unknown(self, scope: Scope, headers: dict[str, str], path: str, send: Send) -> None:
        if _DOORS.match(path):
            address = (scope.get("client") or ("",))[0]
            if self._tries.blocked(address):
                return await _text(send, 429, "Too many wrong passwords: wait some minutes.")
            if headers.get("authorization"):
                self._tries.note(address)
                await asyncio.sleep(LOGIN_PAUSE)
            return await _text(send, 401, "Log in: send the key user:password.", {"www-authenticate": "Bearer"})
        if path == "/" and scope["method"] == "GET":
            return await _text(send, 303, "", {"location": "/login"})
        return await _text(send, 401, "Log in first.")

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._users:
            return await _text(send, 303, "", {"location": "/"})
        if scope["method"] != "POST":
            return await _page(send, 200, "")
        address = (scope.get("client") or ("",))[0]
        if self._tries.blocked(address):
            return await _page(send, 429, "Too many wrong passwords: wait some minutes.")
        form = parse_qs((await _body(receive, 4096)).decode("utf-8", "replace"))
        user, password = form.get("user", [""])[0], form.get("password", [""])[0]
        if not self._right(user, password):
            self._tries.note(address)
            await asyncio.sleep(LOGIN_PAUSE)
            return await _page(send, 401, "That name and password do not belong together.")
        name = base64.urlsafe_b64encode(user.encode()).decode().rstrip("=")
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{COOKIE}={name}.{self._seal(user)}; Path=/; HttpOnly; SameSite=Strict{secure}"
        return await _text(send, 303, "", {"location": "/", "set-cookie": cookie})


def _host_name(host: str) -> str:
    """The name in a Host header without its port, lower case."""
    name = host.rsplit(":", 1)[0] if re.search(r":\d*$", host) else host
    return name.strip("[]").lower().rstrip(".")


def _with_headers(send: Send, path: str, nonce: str, head: bytes) -> Send:
    """Add the security headers; give the scripts of the page its nonce."""
    held: list[Message] = []
    page = bytearray()

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = dict(_HEADERS, **{"content-security-policy": policy(nonce)})
            if not path.startswith(("/assets/", "/static/")):
                ours["cache-control"] = "no-store"
            dropped = {*ours, "server", "access-control-allow-origin", "access-control-allow-credentials"}
            kept = [(n, v) for n, v in message["headers"] if n.decode("latin-1").lower() not in dropped]
            message["headers"] = [*kept, *((n.encode(), v.encode()) for n, v in ours.items())]
            if path == "/":
                held.append(message)
                return
        elif path == "/" and message["type"] == "http.response.body":
            page.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            body = _OUTSIDE.sub(b"", bytes(page)).replace(b"</head>", head + b"</head>", 1)
            body = _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', body)
            start = held[0]
            start["headers"] = [(n, v) for n, v in start["headers"] if n.lower() != b"content-length"]
            start["headers"].append((b"content-length", str(len(body)).encode()))
            await send(start)
            message = {"type": "http.response.body", "body": body}
        await send(message)

    return adding


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive` that ends a body which grows beyond `limit` bytes whatever its headers said."""
    got = 0

    async def receiving() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        return {"type": "http.disconnect"} if got > limit else message

    return receiving


async def _body(receive: Receive, limit: int) -> bytes:
    body = b""
    while len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body[:limit]


async def _text(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    await _respond(send, status, "text/plain; charset=utf-8", text, headers or {})


async def _page(send: Send, status: int, fault: str) -> None:
    line = f'<p class="fault" role="alert">{escape(fault)}</p>' if fault else ""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Log in · Reading room</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/room/page.css"></head>'
        f'<body class="login"><main><h1>Reading room</h1>{line}<form method="post" action="/login">'
        '<label>Name <input name="user" autocomplete="username" required autofocus></label>'
        '<label>Password <input name="password" type="password" autocomplete="current-password" required></label>'
        "<button>Log in</button></form></main></body></html>"
    )
    await _respond(send, status, "text/html; charset=utf-8", html, {})


async def _respond(send: Send, status: int, kind: str, text: str, headers: dict[str, str]) -> None:
    body = text.encode()
    plain = {"content-type": kind, "content-length": str(len(body)), **headers}
    pairs = [(name.encode(), value.encode()) for name, value in plain.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
