"""What stands before every route: hosts, origins, log-in, limits on size, time and number.

Plain ASGI, so that streams pass through unbuffered. Routes of Gradio that the page does not use do
not exist here.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException

from app.headers import with_headers
from app.login import COOKIE, Login, Tries
from app.request import (
    UPLOAD,
    Outlet,
    Receive,
    RefusedError,
    Request,
    Scope,
    Send,
    again,
    body_of,
    limited,
    respond,
    text,
    too_large,
)

App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOGIN_PAUSE = 0.5  # seconds before a wrong password is answered
LOGIN_BYTES = 4096
UPLOADS = 8  # at the same moment: none of them counts yet among those that wait
SESSIONS = 1000  # browser sessions of one user whose owner is remembered

# What the page and the other doors use. Of Gradio's routes, those that read files, proxy, show
# schemas or run code by name are left out.
_ROUTES = re.compile(
    r"/|/whoami|/logout|/config|/theme\.css|/favicon\.ico|/robots\.txt|/login|/(?:room|assets|static|v1)/.+|/mcp/?"
    r"|/gradio_api/(?:queue/(?:join|data)|upload|component_server|cancel|reset|startup-events|info|heartbeat/[a-z0-9-]{1,40})/?"
)
_METHODS = ("GET", "HEAD", "POST", "DELETE")
# Readable without log-in: nothing but the log-in page and its style.
_OPEN = ("/login", "/room/page.css", "/favicon.ico", "/robots.txt")
_DOORS = re.compile(r"/v1/|/mcp(?:/|\Z)")
# Path segments, characters and second encodings that no route of ours has.
_TRICKS = re.compile(r"//|\\|%|/\.{1,2}(?:/|\Z)|file=|[\x00-\x20\x7f]")
_IN_BODY = re.compile(r"/gradio_api/(?:queue/join|component_server|cancel|reset)/?")  # these name a session there
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")  # Gradio's clients make up letters and digits, or a UUID
_UNTRUSTED = (b"x-forwarded-host", b"x-gradio-server")  # Gradio would take its own address from them


class Guard:
    """Wraps the whole application.

    `hosts` are the host names that it may be called by, `users` the passwords by name (none: no
    log-in), `head` is HTML for the end of the page's head, `has_room` says whether the disk has room
    for another upload.
    """

    def __init__(
        self,
        app: App,
        hosts: frozenset[str],
        users: dict[str, str],
        head: str = "",
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._app, self._hosts, self._head, self._has_room = app, hosts, head.encode(), has_room
        self._login = Login(users)
        self._tries = Tries()
        self._sessions = _Sessions()
        self._uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what must be refused; pass on the rest with headers added."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        outlet = Outlet(with_headers(send, scope["path"], self._head))
        try:
            return await self._admit(Request.read(scope), scope, receive, outlet)
        except RefusedError as refused:
            await outlet.refuse(refused)
        except RuntimeError as error:
            if not (outlet.begun and isinstance(error.__cause__, HTTPException)):
                raise
            await outlet({"type": "http.response.body"})  # Gradio ends the stream of an unknown session like this

    async def _admit(self, request: Request, scope: Scope, receive: Receive, send: Outlet) -> None:
        self._check(request)
        receive = limited(receive, request.limit, send)
        if request.path == "/login":
            return await self._answer_login(request, receive, send, scope.get("scheme") == "https")
        user = await self._user(request)
        if user is None and request.path not in _OPEN:
            return await _unknown(request, send)
        if self._login.users:
            receive = await self._own_session(request, receive, user or "")
        if request.method == "POST" and request.path.startswith("/mcp"):
            receive = await _json(receive)
        if request.path == "/whoami":  # the page keeps each user's chats apart in the browser
            return await text(send, 200, json.dumps({"user": user}), {"content-type": "application/json"})
        if request.path == "/logout":
            return await self._answer_logout(request, send)
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() not in _UNTRUSTED]
        if not request.path.startswith(UPLOAD):
            return await self._app(scope, receive, send)
        if self._uploading >= UPLOADS or not await asyncio.to_thread(self._has_room):
            raise RefusedError(503, "Too many uploads wait to be added: try again later.")
        self._uploading += 1
        try:
            return await self._app(scope, receive, send)
        finally:
            self._uploading -= 1

    def _check(self, request: Request) -> None:
        """Hosts, origins, routes and sizes. Raises `RefusedError`."""
        headers = request.headers
        host = _host_name(headers.get("host", ""))
        if host not in self._hosts and "*" not in self._hosts:
            raise RefusedError(400, "This server is not known by that name.")
        origin = headers.get("origin")
        if origin is not None and not _is_origin_of(origin, headers.get("host")):
            raise RefusedError(403, "Requests from other sites are refused.")
        if headers.get("sec-fetch-site") == "cross-site" and request.method not in ("GET", "HEAD"):
            raise RefusedError(403, "Requests from other sites are refused.")
        if request.method not in _METHODS:
            raise RefusedError(405, "Not allowed.")
        if not _ROUTES.fullmatch(request.path) or _TRICKS.search(request.path):
            raise RefusedError(404, "Not found.")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > request.limit:
            raise RefusedError(413, too_large(request.limit))

    async def _user(self, request: Request) -> str | None:
        """Who asks: "" when no log-in is set up, None when it is and this is nobody we know."""
        if not self._login.users:
            return ""
        key = request.headers.get("authorization", "")
        if _DOORS.match(request.path) or key.startswith("Bearer "):  # which no browser sends by itself
            return await self._tried(request, lambda: self._login.by_key(key)) if key else None
        return self._login.by_cookie(request.headers.get("cookie", ""))

    async def _tried(self, request: Request, check: Callable[[], str | None]) -> str | None:
        """What `check` finds, unless this address has failed too often; nothing is awaited between the two."""
        if self._tries.blocked(request.address):
            raise RefusedError(429, "Too many wrong passwords: wait some minutes.")
        user = check()
        if user is None:
            self._tries.note(request.address)
            await asyncio.sleep(LOGIN_PAUSE)
        return user

    async def _own_session(self, request: Request, receive: Receive, user: str) -> Receive:
        """Hold every Gradio session that the request names to its owner. Raises `RefusedError`."""
        named = parse_qs(request.query).get("session_hash", [])
        if "/heartbeat/" in request.path:
            named.append(request.path.rstrip("/").rsplit("/", 1)[1])
        if request.method == "POST" and _IN_BODY.fullmatch(request.path):
            body = await body_of(receive)
            named.append(_session_of(body, request.headers.get("content-type", "")))
            receive = again(body, receive)
        if not all(map(_SESSION.fullmatch, named)):  # they are remembered
            raise RefusedError(400, "That is no name of a session.")
        if not all(self._sessions.belongs(session, user) for session in named):
            raise RefusedError(403, "This session is another user's.")
        return receive

    async def _answer_login(self, request: Request, receive: Receive, send: Outlet, secure: bool) -> None:
        if not self._login.users:
            return await text(send, 303, "", {"location": "/"})
        if request.method != "POST":
            return await _page(send, 200, "")
        form = parse_qs((await body_of(limited(receive, LOGIN_BYTES, send))).decode("utf-8", "replace"))
        given, password = form.get("user", [""])[0], form.get("password", [""])[0]
        try:
            user = await self._tried(request, lambda: given if self._login.right(given, password) else None)
        except RefusedError as refused:
            return await _page(send, refused.status, refused.line)
        if user is None:
            return await _page(send, 401, "That name and password do not belong together.")
        self._login.leave(request.headers.get("cookie", ""))  # which this browser forgets now, unlike one who copied it
        cookie = f"{COOKIE}={self._login.enter(user)}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
        return await text(send, 303, "", {"location": "/", "set-cookie": cookie})

    async def _answer_logout(self, request: Request, send: Outlet) -> None:
        if request.method != "POST":  # not by a link, which any page may hold; nor is it Gradio's, which ends nothing
            raise RefusedError(405, "Not allowed.")
        self._login.leave(request.headers.get("cookie", ""))
        return await text(send, 303, "", {"location": "/login", "set-cookie": f"{COOKIE}=; Path=/; Max-Age=0"})


class _Sessions:
    """Whose each browser session is: the first user's who named it. Its answers go to no one else."""

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}
        self._of: dict[str, deque[str]] = {}

    def belongs(self, session: str, user: str) -> bool:
        if session not in self._owner:
            mine = self._of.setdefault(user, deque())
            if len(mine) >= SESSIONS:  # of one's own only: no one can push out another's
                del self._owner[mine.popleft()]
            mine.append(session)
            self._owner[session] = user
        return self._owner[session] == user


async def _json(receive: Receive) -> Receive:
    """`receive` of a body that is JSON: the library of that door fails on what is nested too deeply. Or refuses."""
    body = await body_of(receive)
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "The body is not JSON.") from None
    return again(body, receive)


def _session_of(body: bytes, kind: str) -> str:
    """The session that a request for the queue or a function of the page names. Raises `RefusedError`."""
    try:
        session = None if "multipart" in kind.lower() else json.loads(body).get("session_hash")
    except (ValueError, AttributeError, RecursionError):
        session = None
    if not isinstance(session, str):
        raise RefusedError(400, "The request names no session.")
    return session


def _is_origin_of(origin: str, host: str | None) -> bool:
    """Whether the origin is the one that is asked; no malformed one is."""
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(place) and place == host


def _host_name(host: str) -> str:
    """The name in a Host header without its port, lower case."""
    name = host.rsplit(":", 1)[0] if re.search(r":\d*\Z", host) else host
    return name.strip("[]").lower().rstrip(".")


async def _unknown(request: Request, send: Outlet) -> None:
    if _DOORS.match(request.path):
        return await text(send, 401, "Log in: send the key user:password.", {"www-authenticate": "Bearer"})
    if request.path == "/" and request.method == "GET":
        return await text(send, 303, "", {"location": "/login"})
    return await text(send, 401, "Log in first.")


async def _page(send: Outlet, status: int, fault: str) -> None:
    line = f'<p class="fault" role="alert">{escape(fault)}</p>' if fault else ""
    # Under the policy of the headers, no-referrer, a browser gives a form's origin as "null", like a stranger's.
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Log in · Reading room</title>'
        '<meta name="referrer" content="same-origin">'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/room/page.css"></head>'
        f'<body class="login"><main><h1>Reading room</h1>{line}<form method="post" action="/login">'
        '<label>Name <input name="user" autocomplete="username" required autofocus></label>'
        '<label>Password <input name="password" type="password" autocomplete="current-password" required></label>'
        "<button>Log in</button></form></main></body></html>"
    )
    await respond(send, status, "text/html; charset=utf-8", html, {})
