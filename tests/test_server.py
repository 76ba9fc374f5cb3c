"""The app as it stands on the network: who is let in, what is refused, what leaves the machine.

Two real apps, started as a user starts them: one open on loopback, one with log-ins. Both run in an
environment full of Gradio's variables, which must do nothing.
"""

import asyncio
import base64
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from app_kit import App, Page, running, seeded

from app import login, request
from app.guard import LOGIN_PAUSE, Guard
from app.login import Login, Tries
from app.request import Outlet, RefusedError, limited
from app.room import Room
from app.server import _hosts, create_app, serve
from ingest import UserError
from ingest.index import VectorIndex
from ingest.settings import ROOT, Settings, load_settings
from tests.browser import Visit, launched
from tests.servers.obedient import ObedientServer

DATA = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data") / "badinput"
KEY, PASSWORD = "sk-canary-5521-abcdefghijk", "canary-8812-long:pass word"
QUESTION = "How many special economic zones is North Korea developing?"
GRADIO = {
    "GRADIO_ALLOWED_PATHS": "/etc,/tmp,/",
    "GRADIO_SHARE": "True",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_SERVER_PORT": "1",
    "GRADIO_ROOT_PATH": "https://evil.example",
    "GRADIO_ANALYTICS_ENABLED": "True",
    "GRADIO_MCP_SERVER": "True",
    "GRADIO_SSR_MODE": "True",
    "GRADIO_DEBUG": "1",
    "GRADIO_VIBE_MODE": "1",
    "GRADIO_CACHE_EXAMPLES": "True",
}


class Model:
    """What the scripted model says; `hold` makes every answer wait."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.hold.set()

    def say(self, question: str, prompt: str) -> Iterator[str]:
        self.hold.wait(60)
        yield "North Korea is developing 13 special "
        yield "economic zones [1]."


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.fixture(scope="module")
def scripted(model: Model) -> Iterator[ObedientServer]:
    with ObedientServer(model.say) as server:
        yield server


@pytest.fixture(scope="module")
def plain(seed_settings: Settings, scripted: ObedientServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app without log-in, its folder a copy of the seed; its connections are noted down in `folder`."""
    folder = tmp_path_factory.mktemp("plain")
    variables = seeded(seed_settings, folder) | GRADIO | {"OPENAI_BASE_URL": scripted.url, "OPENAI_API_KEY": KEY}
    with running(folder, wrap=traced(folder), PYTHONPATH=str(audited(folder)), **variables) as app:
        yield app


def traced(folder: Path) -> tuple[str, ...]:
    """A command before the app's that notes every system call that could reach another machine."""
    if not shutil.which("strace"):
        return ()
    calls = "--seccomp-bpf -f -qq -s 128 -e trace=connect,bind,sendmmsg -o"
    return ("strace", *calls.split(), str(folder / "trace"))


def audited(folder: Path) -> Path:
    """A folder for PYTHONPATH: every Python process notes what it connects to and the names that it looks up."""
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(
        "import sys\n"
        f"log = open({str(folder / 'audit')!r}, 'a', buffering=1)\n"
        "def note(event, args):\n"
        "    if event in ('socket.connect', 'socket.sendto', 'socket.sendmsg', 'socket.bind'):\n"
        "        log.write(f'{event} {args[1]}\\n')\n"
        "    elif event in ('socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        log.write(f'{event} {args[0]}\\n')\n"
        "sys.addaudithook(note)\n"
    )
    return folder / "hook"


@pytest.fixture(scope="module")
def locked(
    seed_settings: Settings, scripted: ObedientServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    """The app with two users."""
    folder = tmp_path_factory.mktemp("locked")
    places = seeded(seed_settings, folder)
    auth = f"alice:{PASSWORD},bob:bobs-own-password"
    with running(folder, **places, **GRADIO, OPENAI_BASE_URL=scripted.url, APP_AUTH=auth) as app:
        yield app


@pytest.fixture(scope="module")
def alice(locked: App) -> httpx.Client:
    return locked.log_in("alice", PASSWORD)


@pytest.fixture(scope="module")
def bob(locked: App) -> httpx.Client:
    return locked.log_in("bob", "bobs-own-password")


def raw(app: App, *lines: str, body: bytes = b"", host: str | None = None) -> int:
    """The status of a request written by hand; 0 when the connection is closed without one."""
    place = app.url.removeprefix("http://")
    head = [lines[0], *([f"Host: {host or place}"] if host != "" else []), *lines[1:], "Connection: close", "", ""]
    with socket.create_connection(tuple(place.split(":")), timeout=30) as connection:
        try:
            connection.sendall("\r\n".join(head).encode("latin-1") + body)
            reply = connection.recv(65536)
        except ConnectionError:
            return 0
    return int(reply.split(b" ", 2)[1]) if reply else 0


# --- Where it listens ------------------------------------------------------------------------------


def settings(**variables: str) -> Settings:
    return load_settings(variables, Path("no.env"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "0", "127.1", "127.0.0.1.example.org"])
def test_listens_for_others_only_with_a_log_in(host: str) -> None:
    with pytest.raises(UserError, match=r"APP_AUTH=user:password"):
        serve(settings(), host, 0)


def test_a_public_name_needs_a_log_in_and_lets_no_other_in(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"APP_AUTH=user:password"):
        serve(settings(APP_HOSTS="articles.example.org"), "127.0.0.1", 0)
    public = ("Articles.example.org", "b.example")
    assert _hosts("127.0.0.1", public) == {"127.0.0.1", "localhost", "::1", "articles.example.org", "b.example"}
    assert _hosts("0.0.0.0", public) == {"0.0.0.0", *_hosts("127.0.0.1", public)}
    assert _hosts("0.0.0.0", ()) == {"*"}


@pytest.mark.parametrize("auth", ["alice", "alice:", ":secret", "alice:secret,bob", "alice secret"])
def test_a_malformed_log_in_is_refused_without_being_shown(auth: str) -> None:
    with pytest.raises(UserError, match=r"^APP_AUTH must be user:password, several separated by commas\.$"):
        serve(settings(APP_AUTH=auth), "0.0.0.0", 0)


def test_a_port_in_use_is_one_line_with_another_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"in use.*--port {port + 1}") as refused:
            serve(settings(), "127.0.0.1", port)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's own table of sockets")
def test_listens_on_one_port_of_loopback_and_no_other(plain: App) -> None:
    found = {place for pid in family(plain.process.pid) for place in listening(pid)}
    assert found == {("127.0.0.1", int(plain.url.rsplit(":", 1)[1]))}


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def listening(pid: int) -> set[tuple[str, int]]:
    """The addresses on which a process listens."""
    own = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink() and fd.exists()}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in own:
                address, port = local.split(":")
                packed = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
                found.add((socket.inet_ntop(family, packed), int(port, 16)))
    return found


# --- Hosts and origins -----------------------------------------------------------------------------


def test_foreign_hosts_are_refused(plain: App) -> None:
    port = plain.url.rsplit(":", 1)[1]
    for host in ("127.0.0.1", "localhost", "LOCALHOST.", f"[::1]:{port}", f"localhost:{port}", "127.0.0.1:"):
        assert raw(plain, "GET /robots.txt HTTP/1.1", host=host) == 200, host
    bad = "evil.example evil.example:80 127.0.0.1.evil.example localhost.evil.example 127.0.0.1:x 127.0.0.1:80@evil "
    bad += "evil@127.0.0.1:1@x 0.0.0.0 127.0.0.2 [::] 2130706433 0x7f.1 localhost:80:evil"
    for host in bad.split():
        assert raw(plain, "GET /robots.txt HTTP/1.1", host=host) == 400, host
    assert raw(plain, "GET /robots.txt HTTP/1.1", "Host: evil.example", host="127.0.0.1") == 400
    assert raw(plain, "GET /robots.txt HTTP/1.0", host="") == 400
    assert raw(plain, "GET http://evil.example/robots.txt HTTP/1.1", host="evil.example") == 400


def test_a_rebound_name_reaches_nothing(plain: App) -> None:
    """DNS rebinding: the browser believes that Host and Origin agree, and they do."""
    for path in ("/", "/config", "/v1/models", "/mcp", "/gradio_api/queue/join", "/room/page.js"):
        for method in ("GET", "POST"):
            status = raw(plain, f"{method} {path} HTTP/1.1", "Origin: http://evil.example:1", host="evil.example:1")
            assert status == 400, path


def test_other_sites_are_refused(plain: App) -> None:
    post = "POST /v1/chat/completions HTTP/1.1"
    own = plain.url
    foreign = [
        "http://evil.example",
        "null",
        own + "1",
        own.replace("127.0.0.1", "localhost"),
        own + ".evil.example",
        "http://[",
        "http://[::1]evil",
        "",
    ]
    for origin in foreign:
        assert raw(plain, post, f"Origin: {origin}", "Content-Length: 2", body=b"{}") == 403, origin
        assert raw(plain, "GET /config HTTP/1.1", f"Origin: {origin}") == 403, origin
        assert raw(plain, "OPTIONS /v1/chat/completions HTTP/1.1", f"Origin: {origin}") == 403, origin
    assert raw(plain, post, f"Origin: {own}", "Origin: http://evil.example", "Content-Length: 2", body=b"{}") == 400
    assert raw(plain, post, "Sec-Fetch-Site: cross-site", "Content-Length: 2", body=b"{}") == 403
    assert raw(plain, post, f"Origin: {own}", "Content-Length: 2", body=b"{}") == 400  # ours: read, and found wanting


def test_a_malformed_origin_is_refused_with_the_security_headers(plain: App) -> None:
    reply = plain.client.get("/config", headers={"origin": "http://["})
    assert reply.status_code == 403
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert all(part in reply.headers["content-security-policy"] for part in CSP)


def test_no_reply_allows_another_site_to_read_it(plain: App) -> None:
    for path in ("/", "/config", "/v1/models", "/mcp", "/nothing", "/room/page.js"):
        for headers in ({}, {"origin": plain.url}):
            reply = plain.client.get(path, headers=headers)
            assert not [name for name in reply.headers if name.startswith("access-control")], path


# --- Headers ---------------------------------------------------------------------------------------

CSP = [
    "default-src 'self'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
    "frame-src 'none'",
    "base-uri 'none'",
]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/config", 200),
        ("GET", "/room/page.css", 200),
        ("GET", "/room/nothing.css", 404),
        ("GET", "/theme.css", 200),
        ("GET", "/v1/models", 200),
        ("POST", "/v1/chat/completions", 400),
        ("GET", "/mcp", 406),
        ("POST", "/gradio_api/queue/join", 422),
        ("POST", "/gradio_api/component_server", 400),
        ("GET", "/gradio_api/queue/data?session_hash=none", 200),  # its stream says that there is none
        ("GET", "/nothing", 404),
        ("GET", "/login", 303),
        ("PUT", "/", 405),
    ],
)
def test_every_reply_has_the_security_headers(plain: App, method: str, path: str, status: int) -> None:
    reply = plain.client.request(method, path)
    assert reply.status_code == status
    headers = reply.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    policy = headers["content-security-policy"]
    assert all(part in policy for part in CSP)
    assert "http:" not in policy
    assert "https:" not in policy
    assert "*" not in policy
    assert not re.search(r"script-src[^;]*'unsafe-inline'", policy)


def test_the_page_names_no_other_host_and_every_script_has_the_nonce(plain: App) -> None:
    first, second = plain.client.get("/"), plain.client.get("/")
    nonces = [re.search(r"'nonce-([^']+)'", page.headers["content-security-policy"]) for page in (first, second)]
    assert nonces[0] and nonces[1] and nonces[0][1] != nonces[1][1]
    scripts = re.findall(r"<script[^>]*>", first.text)
    assert scripts and all(f'nonce="{nonces[0][1]}"' in script for script in scripts)
    assert set(re.findall(r"https?://[^/\"'\s\\]+", first.text)) <= {plain.url, "http://www.w3.org"}
    assert first.headers["content-length"] == str(len(first.content))


def test_a_base_that_is_slipped_in_moves_no_address(plain: App, chromium: str) -> None:
    with launched(chromium) as browser:
        visit = Visit(browser, plain.url)
        page = visit.open()
        visit.check()
        page.evaluate("document.head.insertAdjacentHTML('afterbegin', '<base href=\"/elsewhere/\">')")
        assert page.evaluate("new URL('x', document.baseURI).pathname") == "/x"


# --- Without log-in --------------------------------------------------------------------------------

OPEN = {"/login", "/favicon.ico", "/robots.txt", "/room/page.css"}


def paths(routes: list[Any], at: str = "") -> Iterator[str]:
    """The path of every route, those of mounted applications and included routers too."""
    for route in routes:
        holders = (route, getattr(route, "app", None), getattr(route, "original_router", None))
        path = at + (getattr(route, "path", None) or "")
        yield path
        yield from paths(next((one.routes for one in holders if getattr(one, "routes", None)), []), path)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every path of the route table, its parameters filled in."""
    before = dict(os.environ)
    guard = create_app(settings(), Room(settings()), tmp_path_factory.mktemp("uploads"))
    os.environ.clear()
    os.environ.update(before)
    found = [re.sub(r"\{[^}]*\}", "x", path) for path in paths(guard._app.routes)]
    assert len(found) > 60
    assert {"/v1/models", "/mcp", "/config", "/gradio_api/upload", "/gradio_api/queue/join"} <= set(found)
    return [path or "/" for path in found]


def test_no_route_is_open_beside_the_named_ones(locked: App, routes: list[str]) -> None:
    tried = {*routes, *OPEN, "/room/page.js", "/room/page.html", "/assets/x.js", "/static/x", "/v1/chat/completions"}
    opened = set()
    with httpx.Client(base_url=locked.url, trust_env=False) as nobody:
        for path in sorted(tried):
            for method in ("GET", "POST", "HEAD", "DELETE", "PUT", "OPTIONS", "PATCH"):
                reply = nobody.request(method, path)
                if reply.status_code == 303:
                    assert reply.headers["location"] == "/login", path
                elif reply.status_code not in (401, 403, 404, 405):
                    opened.add(path)
    assert opened == OPEN


@pytest.mark.parametrize(
    "trick",
    [
        "//config",
        "/./config",
        "/login/../config",
        "/login/%2e%2e/config",
        "/login/..%2fconfig",
        "/login/..;/config",
        "/%2e/config",
        "/config/",
        "/CONFIG",
        "/config%20",
        "/config%00",
        "/config%0a",
        "/config;x",
        "/config?/login",
        "/login%0a",
        "/login/",
        "/login%2f",
        "/room/page.css%0a",
        "/room/page.css/../page.js",
        "/room//page.css",
        "/room/page.css%2f..%2fpage.js",
        "/room/page.css%00.js",
        "/room\\page.js",
        "/favicon.ico/..",
        "/robots.txt%0d",
        "/v1/models",
        "/v1//models",
        "/V1/models",
        "/mcp/",
        "/%6dcp",
        "/v1%2fmodels",
        "/gradio_api/../config",
        "/gradio_api/queue/data?session_hash=1",
        "/gradio_api/heartbeat/1",
        "/gradio_api/startup-events",
    ],
)
def test_no_spelling_of_a_path_opens_it(locked: App, trick: str) -> None:
    for method in ("GET", "POST"):
        assert raw(locked, f"{method} {trick} HTTP/1.1") in (400, 401, 404), trick


def test_proxy_headers_open_nothing(locked: App) -> None:
    tricks = [
        "X-Forwarded-User: alice",
        "X-Remote-User: alice",
        "X-Original-URL: /login",
        "X-Rewrite-URL: /login",
        "X-Forwarded-Host: 127.0.0.1",
        "X-Forwarded-Prefix: /login",
        "X-HTTP-Method-Override: GET",
        "X-Real-IP: 127.0.0.1",
        "X-Gradio-Server: http://127.0.0.1",
        "Cookie: access-token=x",
        "X-Forwarded-For: 127.0.0.1",
    ]
    for header in tricks:
        assert raw(locked, "GET /config HTTP/1.1", header) == 401, header


def test_a_gradio_address_from_a_header_is_not_believed(plain: App) -> None:
    for name in ("x-forwarded-host", "x-gradio-server"):
        page = plain.client.get("/", headers={name: "evil.example"})
        assert page.status_code == 200
        assert "evil.example" not in page.text


def test_no_websocket_is_opened(plain: App) -> None:
    key = base64.b64encode(b"0123456789abcdef").decode()
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13")
    for path in ("/", "/config", "/gradio_api/queue/join", "/mcp"):
        assert raw(plain, f"GET {path} HTTP/1.1", *upgrade) != 101, path


# --- Log-in ----------------------------------------------------------------------------------------


def test_the_right_password_opens_the_page_and_the_doors(locked: App, alice: httpx.Client) -> None:
    assert alice.get("/config").status_code == 200
    basic = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
    for value in (f"Bearer alice:{PASSWORD}", f"Basic {basic}"):
        reply = locked.client.get("/v1/models", headers={"authorization": value})
        assert reply.status_code == 200
    assert alice.get("/v1/models").status_code == 401, "a cookie, which any page could make a browser send"


def test_a_browser_logs_in(locked: App, chromium: str) -> None:
    with launched(chromium) as browser:
        visit = Visit(browser, locked.url)
        page = visit.page
        page.goto(visit.url)
        assert page.url == f"{locked.url}/login"
        for password, left in (("wrong", True), (PASSWORD, False)):
            page.fill("[name=user]", "alice")
            page.fill("[name=password]", password)
            page.click("button")
            page.wait_for_function("document.querySelector('.fault, .scope')?.textContent")
            assert (page.url == f"{locked.url}/login") == left
        assert page.evaluate("document.cookie") == ""
        assert visit.faults == ["Failed to load resource: the server responded with a status of 401 (Unauthorized)"]


def test_the_cookie_is_closed_to_scripts_and_other_sites(locked: App) -> None:
    form = {"user": "bob", "password": "bobs-own-password"}
    cookie = locked.client.post("/login", data=form).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    behind_tls = locked.client.post("/login", data=form, headers={"x-forwarded-proto": "https"})
    assert "Secure" in behind_tls.headers["set-cookie"]
    locked.client.cookies.clear()


def test_forged_cookies_are_nobody(locked: App, bob: httpx.Client) -> None:
    his = bob.cookies[login.COOKIE]
    as_alice = base64.urlsafe_b64encode(b"alice").decode()
    forged = [
        f"{as_alice}.{his}",
        his[:-1],
        f"{his}0",
        f"{his}.",
        f".{his}",
        "alice",
        "",
        ".",
        "a.b",
        "=.=",
        "0" * len(his),
        f"{his}é",
        "é.é",
        his.swapcase(),
        f"{his[:5]}\\073{his[5:]}",
        "%00.%00",
        "A" * 4000,
        hashlib.sha256(his.encode()).hexdigest(),
        Login({"alice": PASSWORD}).enter("alice"),
    ]
    for value in forged:
        assert raw(locked, "GET /config HTTP/1.1", f"Cookie: {login.COOKIE}={value}") == 401, value
    for header in ("Cookie: ;;;=", "Cookie: \x01\x02", f"Cookie: {login.COOKIE}", "Cookie: a[]=1; b", "Cookie: é=é"):
        assert raw(locked, "GET /config HTTP/1.1", header) in (400, 401), header


def test_our_cookie_is_found_among_others_in_no_time() -> None:
    """Not by http.cookies: its time grows with the square of the length (CVE-2024-7592), and this is before log-in."""
    door = Login({"alice": PASSWORD})
    ours = f"{login.COOKIE}={door.enter('alice')}"
    for header in (ours, f"a=1; {ours}", f'b="x";{ours} ; c', f"x{login.COOKIE}=1; {ours}", f"{ours}; {'y' * 2000}"):
        assert door.by_cookie(header) == "alice", header
    for header in (f"x{ours}", f"{login.COOKIE}=; {ours}", f"a=1, {ours}", ours.upper()):
        assert door.by_cookie(header) is None, header
    assert door.by_cookie(f"{'y' * 5000}; {ours}") is None, "only 4 KB of cookies are looked at"
    start = time.perf_counter()
    assert door.by_cookie(f'{login.COOKIE}="' + "\\" * 60_000) is None
    assert time.perf_counter() - start < 0.05


def test_a_copied_cookie_is_nobody_after_the_log_out(locked: App) -> None:
    """At every door of the app; the same user's log-in of another browser goes on."""
    here, elsewhere, bobs = (
        locked.log_in(user, password)
        for user, password in (("alice", PASSWORD), ("alice", PASSWORD), ("bob", "bobs-own-password"))
    )
    page = Page.open(here)
    cookie = {"cookie": f"{login.COOKIE}={here.cookies[login.COOKIE]}"}
    stream = f"/gradio_api/queue/data?session_hash={page.session}"
    joined = {"data": [], "fn_index": page.events["ask"], "session_hash": page.session}
    called = {"component_id": page.frame, "fn_name": "status", "session_hash": page.session, "data": None}

    def copied() -> dict[str, httpx.Response]:
        with httpx.Client(base_url=locked.url, trust_env=False, headers=cookie) as thief:
            replies = {path: thief.get(path) for path in ("/", "/config", "/whoami", "/room/page.js", "/v1/models")}
            replies["join"] = thief.post("/gradio_api/queue/join", json=joined)
            replies["call"] = thief.post("/gradio_api/component_server", json=called)
            replies["upload"] = thief.post("/gradio_api/upload", files={"files": ("a.txt", b"text")})
            replies["mcp"] = thief.post("/mcp", json={})
            replies["logout"] = thief.get("/logout")
        return replies

    before = copied()
    assert {name for name, reply in before.items() if reply.status_code == 401} == {"/v1/models", "mcp"}
    assert before["logout"].status_code == 405, "a link ends nobody's log-in"
    assert here.get("/whoami").json() == {"user": "alice"}
    left = here.post("/logout")
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    after = copied()
    assert after.pop("/").headers["location"] == "/login"
    assert {reply.status_code for reply in after.values()} == {401}
    assert httpx.get(f"{locked.url}{stream}", headers=cookie, trust_env=False).status_code == 401
    assert elsewhere.get("/whoami").json() == {"user": "alice"}
    assert bobs.get("/whoami").json() == {"user": "bob"}


def test_a_browser_that_logs_in_again_leaves_no_copy_of_its_former_cookie_open(locked: App) -> None:
    here, elsewhere = (locked.log_in("alice", PASSWORD) for _ in range(2))

    def whose(cookie: str) -> int:
        headers = {"cookie": f"{login.COOKIE}={cookie}"}
        return httpx.get(f"{locked.url}/whoami", headers=headers, trust_env=False).status_code

    first = here.cookies[login.COOKIE]
    assert here.post("/login", data={"user": "alice", "password": "wrong"}).status_code == 401
    assert whose(first) == 200, "a wrong password ends no log-in"
    assert here.post("/login", data={"user": "alice", "password": PASSWORD}).status_code == 303
    second = here.cookies[login.COOKIE]
    assert (whose(first), whose(second)) == (401, 200)
    here.post("/logout")
    assert (whose(first), whose(second)) == (401, 401)
    assert elsewhere.get("/whoami").json() == {"user": "alice"}


def test_so_many_log_ins_of_one_user_are_remembered_and_no_one_elses_forgotten() -> None:
    door = Login({"alice": PASSWORD, "bob": "x"})
    bobs = f"{login.COOKIE}={door.enter('bob')}"
    hers = [f"{login.COOKIE}={door.enter('alice')}" for _ in range(login.LOG_INS + 1)]
    assert [door.by_cookie(one) for one in hers] == [None, *["alice"] * login.LOG_INS]
    assert door.by_cookie(bobs) == "bob"


def test_forged_keys_are_nobody(locked: App) -> None:
    keys = ["Bearer", "Bearer ", "Bearer :", "Bearer alice", "Bearer alice:", "Bearer :x", "Basic !", "Basic 4pyT", "x"]
    for n, value in enumerate([*keys, "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer é:é"]):
        assert (
            raw(locked, "GET /v1/models HTTP/1.1", f"Authorization: {value}", f"X-Forwarded-For: 198.51.100.{n}") == 401
        )


def guess(app: App, door: str, password: str, address: str) -> int:
    headers = {"x-forwarded-for": address}
    with httpx.Client(base_url=app.url, trust_env=False, headers=headers) as client:
        if door == "/login":
            return client.post(door, data={"user": "alice", "password": password}).status_code
        return client.get(door, headers={"authorization": f"Bearer alice:{password}"}).status_code


@pytest.mark.parametrize("door", ["/login", "/v1/models", "/mcp"])
def test_ten_wrong_passwords_close_every_door_also_to_the_right_one(locked: App, door: str) -> None:
    address = f"203.0.113.{len(door)}"
    with ThreadPoolExecutor(25) as pool:  # all at once: they must not pass one another
        statuses = sorted(pool.map(lambda n: guess(locked, door, f"wrong{n}", address), range(25)))
    assert statuses == [401] * 10 + [429] * 15
    for other in ("/login", "/v1/models", "/mcp"):
        assert guess(locked, other, PASSWORD, address) == 429, "else guessing goes on, and the right one shows"
    assert guess(locked, "/login", PASSWORD, "203.0.113.99") == 303, "others are not shut out"


def test_a_wrong_password_is_answered_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the right one at once; at each door where one can be tried."""
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr("app.guard.asyncio.sleep", pause)

    async def guess(path: str, password: str) -> None:
        form = f"user=alice&password={password}".encode()
        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer alice:{password}".encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "client": None,
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": form}

        async def send(_: Any) -> None:
            pass

        async def app(*_: Any) -> None:
            pass

        await Guard(app, frozenset({"localhost"}), {"alice": "right"})(scope, receive, send)

    for path in ("/login", "/v1/models", "/config"):
        asyncio.run(guess(path, "right"))
        assert paused == [], path
        asyncio.run(guess(path, "wrong"))
        assert paused == [LOGIN_PAUSE], path
        paused.clear()


def test_many_addresses_are_held_together() -> None:
    tries = Tries()
    for n in range(login.TRIES):
        assert not tries.blocked("2001:db8::1")
        tries.note(f"2001:db8::{n:x}")
    assert tries.blocked("2001:db8::ffff"), "one network of IPv6 is one guesser"
    assert not tries.blocked("2001:db8:1::1")
    for n in range(login.ALL_TRIES - login.TRIES):
        tries.note(f"10.0.{n // 250}.{n % 250}")
    assert tries.blocked("192.0.2.200")


def test_addresses_of_ipv4_are_apart_also_where_they_come_as_ipv6() -> None:
    """With --host :: each client of IPv4 comes as ::ffff:a.b.c.d, all of them in one /64."""
    tries = Tries()
    for _ in range(login.TRIES):
        tries.note("::ffff:192.0.2.1")
    assert tries.blocked("::ffff:192.0.2.1")
    assert tries.blocked("192.0.2.1"), "the same guesser"
    assert not tries.blocked("::ffff:192.0.2.2")


def test_wrong_log_ins_are_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    tries, now = Tries(), time.monotonic()
    for _ in range(login.TRIES):
        tries.note("10.0.0.1")
    monkeypatch.setattr(login, "monotonic", lambda: now + login.WINDOW + 60)
    assert not tries.blocked("10.0.0.1")


# --- One user and another --------------------------------------------------------------------------


def test_one_user_reads_and_moves_nothing_of_another(
    model: Model, alice: httpx.Client, bob: httpx.Client, locked: App
) -> None:
    hers = Page.open(alice)
    model.hold.clear()
    try:
        event = hers.join("ask", {"turn": "t1", "question": QUESTION}).json()["event_id"]
        his = Page.open(bob, hers.session)
        stream = f"/gradio_api/queue/data?session_hash={hers.session}"
        refused = [
            bob.get(stream),
            bob.get(stream.replace("session_hash", "session%5fhash")),
            bob.get(f"/gradio_api/queue/data?session_hash=mine&session_hash={hers.session}"),
            bob.get(f"/gradio_api/heartbeat/{hers.session}"),
            his.join("ask", {"turn": "t2", "question": QUESTION}),
            his.join("stop", {"turn": "t1"}),
            his.call("status"),
            bob.post("/gradio_api/cancel", json={"session_hash": hers.session, "fn_index": 0, "event_id": "x"}),
            bob.post(
                "/gradio_api/queue/join",
                content=b'{"session_hash": "mine", "session_hash": "%s"}' % hers.session.encode(),
            ),
            bob.post("/gradio_api/queue/join", content=json.dumps({"session_hash": hers.session}).encode("utf-16")),
        ]
        assert [reply.status_code for reply in refused] == [403] * len(refused)
        form = {"component_id": his.frame, "fn_name": "status", "session_hash": hers.session, "data": ""}
        odd = [
            bob.post("/gradio_api/component_server", files={"x": b"y"}, data={k: str(v) for k, v in form.items()}),
            bob.post("/gradio_api/queue/join", json={"session_hash": [hers.session]}),
            bob.post("/gradio_api/queue/join", content=b"[" * 100_000),
        ]
        assert [reply.status_code for reply in odd] == [400] * len(odd)
    finally:
        model.hold.set()
    answer = hers.outcome(event)
    assert answer["phase"] == "done", "what he tried did not end her answer"
    assert "13 special economic zones" in answer["end"]["text"]
    assert Page.open(bob).ask(QUESTION)["phase"] == "done"


def test_no_one_can_push_out_the_owner_of_a_session(alice: httpx.Client, bob: httpx.Client) -> None:
    page = Page.open(alice)
    assert page.call("status").status_code == 200
    for n in range(1100):
        bob.post("/gradio_api/reset", json={"session_hash": f"flood{n}", "event_id": "x", "fn_index": 0})
    assert Page.open(bob, page.session).call("status").status_code == 403


@pytest.mark.parametrize("session", ["", "a" * 65, "a" * 1_000_000, "a b", "a\n", "../a", "é"])
def test_the_name_of_a_session_is_short_and_plain(bob: httpx.Client, session: str) -> None:
    """Who owns it is remembered, and a name of 2 MB a thousand times is more than the machine has."""
    body = {"session_hash": session, "event_id": "x", "fn_index": 0}
    assert bob.post("/gradio_api/reset", json=body).status_code == 400
    if len(session) < 100:
        assert bob.get("/gradio_api/queue/data", params={"session_hash": session or " "}).status_code == 400


def test_an_upload_is_read_by_no_route(alice: httpx.Client, bob: httpx.Client, locked: App) -> None:
    canary = b"upload canary 7319 " * 10
    (path,) = alice.post("/gradio_api/upload", files={"files": ("notes.txt", canary)}).json()
    assert Path(path).read_bytes() == canary
    assert os.stat(Path(path).parent.parent).st_mode & 0o077 == 0
    for client in (alice, bob):
        for route in (
            "/gradio_api/file=",
            "/file=",
            "/gradio_api/file/",
            "/gradio_api/proxy=",
            "/static/..",
            "/room/..",
        ):
            reply = client.get(route + path)
            assert reply.status_code == 404
            assert canary not in reply.content


def test_only_an_upload_is_added_as_a_file(plain: App) -> None:
    page = Page.open(plain.client)
    (path,) = plain.client.post("/gradio_api/upload", files={"files": ("n.txt", b"text " * 40)}).json()
    uploads = Path(path).parent.parent
    tricks = [
        "/etc/passwd",
        "../../etc/passwd",
        f"{uploads}/../../etc/passwd",
        f"{path}/../../../../etc/passwd",
        "",
        "\x00",
        ".",
        str(uploads),
        str(Path(path).parent),
        f"file://{path}x",
        "a" * 5000,
        "/proc/self/environ",
        f"{uploads}/./x",
    ]
    for trick in tricks:
        change = page.change(files=[trick])
        (result,) = change["results"]
        assert result["fault"], trick
        assert "choose the file again" in result["line"]
    for address in ("/etc/passwd", "file:///etc/passwd", "README.md", "ftp://x/", "javascript:1", " http://x"):
        (result,) = page.change(add=[address])["results"]
        assert result["fault"] and "no web address" in result["line"]
    assert Path(path).exists(), "none of this touched the real upload"


def test_copies_of_one_file_are_added_together(plain: App) -> None:
    """Of the same name, as from two folders, and of different ones: what is read first takes no other away."""
    page, text = Page.open(plain.client), b"A text of which there are three copies, and one more."
    paths = [
        plain.client.post("/gradio_api/upload", files={"files": (name, text)}).json()[0]
        for name in ("a.txt", "a.txt", "b.txt")
    ]
    change = page.change(files=paths)
    assert change["results"] and not any(one["fault"] for one in change["results"]), change["results"]
    assert not Path(paths[0]).parent.exists(), "nothing is left of them"


def test_who_adds_a_file_takes_it_from_no_one_else(plain: App) -> None:
    """Two readers have uploaded the same file, and neither has added it yet."""
    text = b"A text that two readers have at the same time, under the same name."
    pages, paths = [Page.open(plain.client) for _ in range(2)], []
    for _ in pages:
        paths += plain.client.post("/gradio_api/upload", files={"files": ("shared.txt", text)}).json()
    changes = [page.change(files=[path]) for page, path in zip(pages, paths, strict=True)]
    assert [one["line"] for change in changes for one in change["results"] if one["fault"]] == []
    assert len({change["opened"] for change in changes} - {None}) == 1, "one article, which opens for both"
    assert not any(Path(path).parent.exists() for path in paths), "nothing is left of them"


def test_a_malformed_call_of_the_gradio_api_ends_in_one_line_and_no_traceback(plain: App) -> None:
    before = len(plain.log.read_text("utf-8"))
    page = Page.open(plain.client)
    functions = {one["api_name"]: one["id"] for one in plain.client.get("/config").json()["dependencies"]}
    few = {"data": ["x"], "fn_index": functions["ask"], "session_hash": page.session}
    assert plain.client.post("/gradio_api/queue/join", json=few).status_code == 200
    (end,) = [one for one in page.messages() if one["msg"] == "process_completed"]
    assert end["output"]["error"] == "Values needed: 2; given: 1."
    for strange in (999, -1):
        reply = plain.client.post("/gradio_api/queue/join", json=few | {"fn_index": strange})
        assert (reply.status_code, reply.json()["detail"]) == (404, f"There is no function or part {strange}.")
    for event, line in (("ask", "The question is empty"), ("alter", "Nothing to add")):
        assert page.join(event, 3).status_code == 200  # type: ignore[arg-type]
        assert line in json.dumps(list(page.messages()))
    assert page.call("rate", 3).json() == {"error": "A rating is good or bad, of an answer."}
    assert "Traceback" not in plain.log.read_text("utf-8")[before:]


def test_a_file_named_in_an_event_is_not_served(plain: App) -> None:
    """Gradio copies files that events name into its cache, from where it serves them."""
    page = Page.open(plain.client)
    file = {"path": "/etc/passwd", "url": None, "meta": {"_type": "gradio.FileData"}}
    for value in (
        {"turn": file, "question": file, "history": [file]},
        {"turn": "t", "question": QUESTION, "documents": [file]},
    ):
        joined = page.join("ask", value)
        assert joined.status_code == 200
        assert "root:" not in json.dumps(list(page.messages()))
    body = {"data": [file], "fn_index": page.events["ask"], "session_hash": page.session}
    body["event_data"] = {"turn": "t", "question": "?"}
    assert plain.client.post("/gradio_api/queue/join", json=body).status_code in (200, 400, 422)
    for function in (
        "document",
        "rate",
        "__init__",
        "postprocess",
        "move_resource_to_block_cache",
        "server_functions",
        "",
    ):
        assert "root:" not in page.call(function, file).text
    assert page.call("postprocess", file).status_code == 404
    folder = Path(plain.client.post("/gradio_api/upload", files={"files": ("x.txt", b"x")}).json()[0]).parent.parent
    assert not [one for one in folder.rglob("*") if one.is_file() and b"root:" in one.read_bytes()]


# --- Gradio's own routes ---------------------------------------------------------------------------

PREFIXES = [
    "/gradio_api/file=",
    "/file=",
    "/gradio_api/file/",
    "/static/",
    "/static/fonts/",
    "/assets/",
    "/room/",
    "/svelte/",
    "/gradio_api/proxy=",
    "/gradio_api/stream/x/y/",
    "/gradio_api/custom_component/1/client/component/",
    "/gradio_api/deep_link?session_hash=",
    "/?deep_link=",
    "/gradio_api/component_server/",
    "/gradio_api/call/",
    "/pwa_icon/",
]
TRAVERSALS = [
    "/etc/hostname",
    "../../../../etc/hostname",
    "..%2f..%2f..%2fetc%2fhostname",
    "%2e%2e/%2e%2e/%2e%2e/etc/hostname",
    "..%252f..%252fetc%252fhostname",
    "....//....//etc/hostname",
    "..\\..\\etc\\hostname",
    "..%5c..%5cetc%5chostname",
    "..%c0%af..%c0%afetc/hostname",
    "//etc/hostname",
    "file:///etc/hostname",
    "/proc/self/environ",
    "/proc/self/cwd/.env",
    "..%00/etc/hostname",
    "%ff/../etc/hostname",
    "http://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "\\\\127.0.0.1:{port}\\x",
]


def listed(*parts: str) -> list[str]:
    file = DATA.joinpath(*parts)
    return [line for line in file.read_text("utf-8").splitlines() if line.strip()] if file.is_file() else []


def test_traversal_reads_nothing(plain: App) -> None:
    deep = [
        line.replace("{FILE}", "etc/passwd")
        for line in listed("strings/payloadsallthethings/traversal/deep_traversal.txt")
    ]
    deep = random.Random(8).sample(deep, min(60, len(deep)))
    secrets = [
        b"root:x:0",
        b"root:*:",
        b"PATH=",
    ]
    if Path("/etc/hostname").exists():
        host = Path("/etc/hostname").read_bytes().strip()
        secrets += [host] if len(host) > 8 else []  # a short one stands in a random nonce now and then
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        cases = [one.format(port=trap.getsockname()[1]) for one in TRAVERSALS] + deep
        connection = http.client.HTTPConnection(plain.url.removeprefix("http://"), timeout=30)
        for prefix in PREFIXES:
            for case in cases:
                target = prefix + quote(case, safe="/%\\=:?&;")
                connection._validate_path = lambda _: None  # type: ignore[method-assign]
                connection.request("GET", target)
                reply = connection.getresponse()
                body = reply.read()
                assert reply.status in (400, 404) or "deep_link" in prefix, target
                assert not any(secret in body for secret in secrets), target
        with pytest.raises(TimeoutError):
            trap.accept()


def test_no_route_fetches_what_a_visitor_names(plain: App) -> None:
    """The proxy and file routes of Gradio, and fields that it would fetch, with the SSRF list."""
    cases = json.loads((DATA / "own/ssrf_cases.json").read_text("utf-8")) if DATA.is_dir() else []
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        own = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        page = Page.open(plain.client)
        for url in [own, *(case["url"] for case in cases if "url" in case)]:
            for route in ("/gradio_api/proxy=", "/gradio_api/file=", "/proxy=", "/file="):
                assert plain.client.get(route + quote(url, safe=":/")).status_code == 404, url
        file = {"path": own, "url": own, "orig_name": "x", "meta": {"_type": "gradio.FileData"}}
        page.call("document", file)
        page.call("status", file)
        page.join("ask", {"turn": "t", "question": file})
        assert page.change(add=[own], files=[own])["results"][0]["fault"]
        assert page.change(add=[own])["results"][0]["fault"], "only public addresses are fetched"
        with pytest.raises(TimeoutError):
            trap.accept()


def test_variables_of_gradio_do_nothing(plain: App) -> None:
    config = plain.client.get("/config").json()
    assert config["root"] == plain.url
    assert not config.get("is_space")
    # Neither do its own defaults: chats kept in the browser by Gradio, an installable page, faults shown to the reader.
    off = (
        "analytics_enabled",
        "dev_mode",
        "vibe_mode",
        "show_error",
        "run_history",
        "footer_links",
        "pwa",
        "mcp_server",
    )
    assert {name: config[name] for name in off if config[name]} == {}
    assert "evil.example" not in plain.client.get("/").text
    for path in ("/gradio_api/file=/etc/hostname", "/gradio_api/mcp/", "/gradio_api/mcp/sse", "/gradio_api/vibe-code/"):
        assert plain.client.get(path).status_code == 404
    assert "gradio.live" not in plain.log.read_text("utf-8")


def test_nothing_tells_what_there_is_to_call(plain: App) -> None:
    for path in (
        "/openapi.json",
        "/docs",
        "/redoc",
        "/gradio_api/openapi.json",
        "/monitoring",
        "/gradio_api/app_id",
    ):
        assert plain.client.get(path).status_code == 404, path


# --- Limits ----------------------------------------------------------------------------------------


def megabytes(count: int) -> Iterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.txt"\r\n\r\n'
    for _ in range(count):
        yield b"x" * 2**20
    yield b"\r\n--b--\r\n"


def status_of(app: App, path: str, pieces: Iterator[bytes], kind: str) -> int:
    """The status of a chunked request, whose size no header tells."""
    try:
        return app.client.post(path, content=pieces, headers={"content-type": kind}).status_code
    except httpx.WriteError:
        return 413  # it was answered and closed while we were still sending


def test_uploads_of_more_than_50_mb_are_refused(plain: App) -> None:
    form = "multipart/form-data; boundary=b"
    before = set(uploads_of(plain).rglob("*"))
    assert status_of(plain, "/gradio_api/upload", megabytes(51), form) == 413
    assert status_of(plain, "/gradio_api/upload", megabytes(60), form) == 413
    declared = ("POST /gradio_api/upload HTTP/1.1", f"Content-Type: {form}", f"Content-Length: {52 * 2**20}")
    assert raw(plain, *declared) == 413
    for length in ("-1", "1e9", "0x10", "9" * 400, "+1", "1_000"):
        assert raw(plain, *declared[:2], f"Content-Length: {length}") in (400, 413), length
    kept = sum(one.stat().st_size for one in set(uploads_of(plain).rglob("*")) - before if one.is_file())
    assert kept <= 60 * 2**20


def uploads_of(app: App) -> Path:
    (path,) = app.client.post("/gradio_api/upload", files={"files": ("a.txt", b"a")}).json()
    return Path(path).parent.parent


def test_other_bodies_of_more_than_2_mb_are_refused(plain: App) -> None:
    for path in ("/v1/chat/completions", "/mcp", "/gradio_api/queue/join", "/gradio_api/component_server"):
        pieces = (b"[" if n == 0 else b" " * 2**20 for n in range(4))
        assert status_of(plain, path, pieces, "application/json") == 413, path
        assert raw(plain, f"POST {path} HTTP/1.1", f"Content-Length: {3 * 2**20}") == 413, path


def test_headers_without_end_are_refused(plain: App) -> None:
    assert raw(plain, "GET / HTTP/1.1", *(f"X-{n}: {'x' * 1000}" for n in range(200))) in (0, 400, 431)
    assert raw(plain, f"GET /{'x' * 200_000} HTTP/1.1") in (0, 400, 414, 431)
    assert raw(plain, "GET / HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n") in (
        200,
        400,
    )


def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "SLOWEST", 0.05)
    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.sleep(5)

    async def send(message: Any) -> None:
        sent.append(message)

    async def reading() -> None:
        outlet = Outlet(send)
        with pytest.raises(RefusedError, match="did not come to its end"):
            await limited(never, 100, outlet)()
        await outlet({"type": "http.response.start", "status": 500, "headers": []})  # what a framework makes of it

    asyncio.run(reading())
    assert sent[0]["status"] == 408


def test_a_body_that_comes_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "SLOWEST", 0.2)

    async def bytes_read(pause: float, size: int) -> int:
        async def trickle() -> Any:
            await asyncio.sleep(pause)
            return {"type": "http.request", "body": b"x" * size, "more_body": True}

        async def send(_: Any) -> None:
            pass

        receive, got = limited(trickle, 2**20, Outlet(send)), 0
        for _ in range(20):
            got += len((await receive())["body"])
        return got

    with pytest.raises(RefusedError, match="did not come to its end"):
        asyncio.run(bytes_read(0.05, 1))
    assert asyncio.run(bytes_read(0.05, 1000)) == 20_000


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server that waits half a second for headers, and answers after one."""
    from app import server

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    monkeypatch.setattr(server, "SLOWEST", 0.5)
    config = uvicorn.Config(slow, http=server._Protocol, lifespan="off", log_level="error", timeout_keep_alive=30)
    running, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join(20)
        listener.close()


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /again"]
)
def test_headers_that_stop_coming_are_given_up(impatient: int, begun: bytes) -> None:
    """Before the first request and after it; the answer itself may take longer."""
    with socket.create_connection(("127.0.0.1", impatient), timeout=20) as client:
        first, _, rest = begun.partition(b"\r\n\r\n")
        if rest:
            client.sendall(first + b"\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 204")
        client.sendall(rest or first)
        assert client.recv(1000) == b""


def test_uploads_left_behind_are_removed_and_too_many_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import uploads

    (tmp_path / "a").mkdir()
    old, new = tmp_path / "a" / "old", tmp_path / "new"
    old.write_bytes(b"x" * 100)
    new.write_bytes(b"x" * 100)
    os.utime(old, (1, 1))
    monkeypatch.setattr(uploads, "MOST_BYTES", 150)
    assert uploads.has_room(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)
    (tmp_path / "more").write_bytes(b"x" * 100)
    assert not uploads.has_room(tmp_path)


def test_pages_opened_long_ago_are_let_go_of(plain: App, tmp_path: Path) -> None:
    from gradio.state_holder import StateHolder

    from app.library import Library
    from app.page import PAGES_KEPT, build

    room = Room(settings())
    holder = StateHolder()
    holder.set_blocks(build(room, Library(room, tmp_path)))
    for number in range(3 * PAGES_KEPT):
        holder[f"page {number}"]
    assert len(holder.session_data) == len(holder.time_last_used) == PAGES_KEPT
    # To one that was let go of nothing is lost: it asks again, in the same session.
    first = Page.open(plain.client)
    assert first.ask(QUESTION)["phase"] == "done"
    for _ in range(PAGES_KEPT + 1):
        Page.open(plain.client).call("status")
    assert first.ask(QUESTION)["phase"] == "done"


def say(app: App, question: str, **more: Any) -> httpx.Response:
    return app.client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": question}], **more})


def test_long_questions_are_one_line_at_every_door(plain: App) -> None:
    long = "word " * 500
    told = Page.open(plain.client).ask(long)
    assert told["phase"] == "failed"
    assert "at most 2,000" in told["error"]
    reply = say(plain, long)
    assert (reply.status_code, "at most 2,000" in reply.json()["error"]["message"]) == (400, True)
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "ask", "arguments": {"question": long}},
    }
    accept = {"accept": "application/json, text/event-stream"}
    result = plain.client.post("/mcp", json=call, headers=accept).json()["result"]
    assert result["isError"] and "at most 2,000" in result["content"][0]["text"]


def test_odd_bodies_are_a_line_and_no_fault_of_the_server(plain: App) -> None:
    path = "/v1/chat/completions"
    bodies = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"messages": {}}',
        b'{"messages": [1]}',
    ]
    bodies += [b'{"messages": [{"role": "user"}]}', b'{"messages": [{"role": "user", "content": {"a": 1}}]}']
    bodies += [
        b'{"messages": [{"role": ["user"], "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": " "}]}',
    ]
    for body in bodies:
        reply = plain.client.post(path, content=body)
        assert reply.status_code == 400, body[:40]
        assert "\n" not in reply.json()["error"]["message"]
    half = b'{"messages": [{"role": "user", "content": "Who \\ud800 is it? \\u0000"}]}'
    assert plain.client.post(path, content=half).status_code == 200
    turns = [("user", "Who is \ud800?"), ("assistant", "\udfff"), ("user", "And what of it?")]
    before = json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})
    assert plain.client.post(path, content=before).status_code == 200
    accept = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    for body in (b"[" * 100_000, b"{", b"\xff"):
        assert plain.client.post("/mcp", content=body, headers=accept).status_code == 400


def test_a_full_queue_refuses_the_next_one(plain: App, model: Model) -> None:
    pages = [Page.open(plain.client)]
    pages += [Page(plain.client, f"queue{n}", pages[0].events, pages[0].frame) for n in range(60)]
    model.hold.clear()
    try:
        replies = [page.join("ask", {"turn": "t", "question": QUESTION}) for page in pages]
        time.sleep(0.5)
        replies += [page.join("ask", {"turn": "t", "question": QUESTION}) for page in pages[-2:]]
        statuses = [reply.status_code for reply in replies]
        assert statuses[:40] == [200] * 40
        assert statuses[-2:] == [503, 503]
        assert "full" in replies[-1].text.lower()
    finally:
        model.hold.set()
    for page, reply in zip(pages, replies, strict=False):
        if reply.status_code == 200:
            assert any(message["msg"] == "process_completed" for message in page.messages())


def test_the_doors_take_so_many_questions_at_a_time(plain: App, model: Model) -> None:
    model.hold.clear()
    try:
        with ThreadPoolExecutor(20) as pool:
            waiting = [pool.submit(say, plain, QUESTION) for _ in range(20)]
            end = time.monotonic() + 30
            while sum(one.done() for one in waiting) < 4:
                assert time.monotonic() < end
                time.sleep(0.05)
            assert plain.client.get("/room/page.css").status_code == 200, "the page is not held up by them"
            model.hold.set()
            assert sorted(one.result().status_code for one in waiting) == [200] * 16 + [429] * 4
    finally:
        model.hold.set()


def test_a_reader_who_leaves_gives_back_the_place(plain: App, model: Model) -> None:
    model.hold.clear()
    try:
        for _ in range(20):
            with (
                pytest.raises(httpx.ReadTimeout),
                plain.client.stream(
                    "POST",
                    "/v1/chat/completions",
                    timeout=0.3,
                    json={"stream": True, "messages": [{"role": "user", "content": QUESTION}]},
                ) as reply,
            ):
                reply.read()
    finally:
        model.hold.set()
    end = time.monotonic() + 20
    while say(plain, QUESTION).status_code != 200:
        assert time.monotonic() < end, "the places of those who left are not given back"
        time.sleep(0.2)


# --- What leaves the machine -----------------------------------------------------------------------


def strangers(folder: Path) -> list[str]:
    """The lines of the trace and of the audit that tell of anything else than this machine."""
    found = []
    if shutil.which("strace"):
        calls = [line for line in (folder / "trace").read_text("utf-8", "replace").splitlines() if "sa_family" in line]
        assert any("AF_INET" in line for line in calls), "the trace saw nothing"
        own = re.compile(r'sa_family=AF_(?:UNIX|NETLINK|UNSPEC)|"127\.0\.0\.1"|"::1"')
        found += [line for line in calls if not own.search(line)]
    if (folder / "audit").exists():
        own = re.compile(r"127\.0\.0\.1|'::1'|localhost|^socket\.\w+ (?:/|b?'|None$|\(0, )")
        found += [line for line in (folder / "audit").read_text().splitlines() if not own.search(line)]
    return found


def test_no_connection_left_the_machine(plain: App) -> None:
    """At start, while it idles, and through all that these tests ask of it."""
    time.sleep(2)
    assert "socket.connect" in (plain.folder / "audit").read_text()
    # Of a name that is being added, this machine's own resolver may be asked.
    assert [line for line in strangers(plain.folder) if "htons(53)" not in line] == []


@pytest.mark.nightly
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_the_embedded_model_connects_to_nothing(seed_settings: Settings, tmp_path: Path) -> None:
    """The default app: start, model loaded, an answer, a minute of nothing."""
    with running(tmp_path, wrap=traced(tmp_path), **seeded(seed_settings, tmp_path)) as app:
        page = Page.open(app.client)
        while page.call("status").json()["state"] != "ready":
            time.sleep(0.5)
        assert page.ask(QUESTION)["phase"] == "done"
        time.sleep(60)
    assert strangers(tmp_path) == []


# --- Secrets ---------------------------------------------------------------------------------------


def test_secrets_are_in_no_log_page_error_or_store(plain: App, locked: App, alice: httpx.Client) -> None:
    canary = "document-canary-4471"
    page = Page.open(plain.client)
    text = f"The vault of the museum is opened by {canary}. " * 8
    (path,) = plain.client.post("/gradio_api/upload", files={"files": ("vault.txt", text.encode())}).json()
    assert not page.change(files=[path])["results"][0]["fault"]
    shown = [say(plain, "What opens the vault of the museum?").text]
    assert canary in shown[0], "it was read and asked"
    pages = [plain.client.get(path).text for path in ("/", "/config", "/nothing", "/v1/models")]
    pages += [alice.get(path).text for path in ("/", "/config", "/nothing")]
    pages += [page.call(name).text for name in ("status", "nothing")]
    pages += [locked.client.get(path).text for path in ("/login", "/", "/v1/models")]
    logs = [app.log.read_text("utf-8") for app in (plain, locked)]
    for secret in (KEY, PASSWORD, "bobs-own-password"):
        assert not any(secret in text for text in [*shown, *pages, *logs])
        for app in (plain, locked):
            held = [one for one in app.folder.rglob("*") if one.is_file() and secret.encode() in one.read_bytes()]
            assert held == []
    assert not any(canary in text for text in [*pages, *logs])


def test_a_password_in_chroma_url_is_in_no_error() -> None:
    with pytest.raises(UserError) as caught:
        VectorIndex.on_server(settings(CHROMA_URL="http://reader:secret-8812@127.0.0.1:9"), "passages")
    assert "http://127.0.0.1:9 (CHROMA_URL)" in str(caught.value)
    assert "secret-8812" not in str(caught.value)


def test_nothing_went_wrong_in_all_this(plain: App, locked: App) -> None:
    for app in (plain, locked):
        assert app.process.poll() is None
        faults = re.findall(r"^\w[\w.]*(?:Error|Exception)\b.*", app.log.read_text("utf-8"), re.MULTILINE)
        refusals = "is not in the cache folder and cannot be accessed."  # Gradio's own, of what was tried here
        assert [line for line in faults if refusals not in line] == []
