"""The recipe of SECURITY.md, to the letter: a real nginx speaks TLS before the app, a real Chromium before nginx."""

import os
import re
import shutil
import signal
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from app_kit import App, Page, running, seeded

from ingest.settings import ROOT, Settings
from tests.browser import ARGUMENTS, Visit
from tests.servers.scripted import ScriptedServer

NAME, PASSWORD = "articles.example.org", "a-long-password-of-alice"
QUESTION = "How many special economic zones is North Korea developing?"
NGINX = os.environ.get("NGINX") or shutil.which("nginx") or shutil.which("/usr/sbin/nginx")

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed, and NGINX does not name one"),
]


@pytest.fixture(scope="module")
def script() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.replies = {QUESTION: "North Korea is developing 13 special economic zones <<13 special>>. \fIt is so."}
        yield server


@pytest.fixture(scope="module")
def app(seed_settings: Settings, script: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("behind")
    places = seeded(seed_settings, folder)
    auth = f"alice:{PASSWORD}"
    with running(folder, OPENAI_BASE_URL=script.url, APP_AUTH=auth, APP_HOSTS=NAME, **places) as app:
        yield app


def recipe(processes: int = 1) -> str:
    """The server block of SECURITY.md; for several processes with its upstream block."""
    blocks = re.findall(r"```nginx\n(.*?)```", (ROOT / "SECURITY.md").read_text("utf-8"), re.DOTALL)
    server, upstream = map(textwrap.dedent, blocks)
    one, several = "proxy_pass http://127.0.0.1:7860;", "proxy_pass http://articles;"
    assert one in server
    return str(server if processes == 1 else upstream + server.replace(one, several))


def configuration(folder: Path, apps: Sequence[App], port: int, block: str) -> str:
    """The recipe with this machine's ports, certificate and apps in place of the reader's; nothing else is changed."""
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/articles.pem": f"{folder}/cert.pem",
        "/etc/ssl/articles.key": f"{folder}/key.pem",
    }
    changes |= {f"127.0.0.1:{7860 + n}": app.url.removeprefix("http://") for n, app in enumerate(apps)}
    for old, new in changes.items():
        assert old in block, old
        block = block.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    told = "access_log off;\nadd_header X-Process $upstream_addr always;\n"
    return f"{user}daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{told}{temporary}{block}}}\n"


@pytest.fixture(scope="module")
def port(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx before the app, on a free port of loopback; gives the port."""
    with proxied(tmp_path_factory.mktemp("nginx"), [app], recipe()) as port:
        yield port


@contextmanager
def proxied(folder: Path, apps: Sequence[App], block: str) -> Iterator[int]:
    """nginx with that block on a free port of loopback; gives the port."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
         folder / "cert.pem", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"],
        capture_output=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        chosen = int(free.getsockname()[1])
    (folder / "nginx.conf").write_text(configuration(folder, apps, chosen, block))
    command = [str(NGINX), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            _wait_for(chosen, process)
            yield chosen
        finally:
            process.send_signal(signal.SIGQUIT)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process.poll() is None, process.stderr and process.stderr.read()
        with socket.socket() as tried:
            if not tried.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise AssertionError("nginx does not listen")


@pytest.fixture
def outside(port: int) -> Iterator[httpx.Client]:
    """A client that reaches the app by nginx alone, under its public name."""
    address = f"https://127.0.0.1:{port}"
    with httpx.Client(base_url=address, verify=False, trust_env=False, headers={"Host": NAME}, timeout=60) as client:
        yield client


def test_the_page_works_through_the_proxy(port: int, app: App, script: ScriptedServer, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    rules = f"--host-resolver-rules=MAP {NAME}:443 127.0.0.1:{port}"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, rules])
        visit = Visit(browser, f"https://{NAME}/", ignore_https_errors=True)
        page = visit.page
        page.goto(visit.url)
        assert page.url == f"https://{NAME}/login"
        page.fill("[name=user]", "alice")
        page.fill("[name=password]", PASSWORD)
        page.click("button")
        page.wait_for_function("document.querySelector('.scope')?.textContent")
        (cookie,) = visit.context.cookies()
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")

        page.fill("#question", QUESTION)
        page.press("#question", "Enter")
        # The model is still writing: what is seen of it was held back by no buffer on the way.
        page.wait_for_function("document.querySelector('.turn .answer')?.textContent.includes('13 special')")
        assert page.locator(".turn footer:not([hidden])").count() == 0
        script.go()
        page.wait_for_selector(".turn footer:not([hidden])")

        note = {"name": "note.md", "mimeType": "text/markdown", "buffer": b"The lock gate of the canal was opened."}
        page.set_input_files("#files", note)
        page.wait_for_function("[...document.querySelectorAll('.source')].some((e) => e.textContent.includes('note'))")
        assert {httpx.URL(url).host for url in visit.requests if not url.startswith(("data:", "blob:"))} == {NAME}
        assert visit.faults == []
        assert page.evaluate("window.violations") == []
        browser.close()
    assert list((app.folder / "corpus").glob("note*.md"))


def test_other_sites_and_names_are_refused(outside: httpx.Client) -> None:
    form = {"user": "alice", "password": PASSWORD}
    for origin in ("https://evil.example", f"https://{NAME}.evil.example", f"https://{NAME}:444", "null"):
        assert outside.post("/login", data=form, headers={"Origin": origin}).status_code == 403, origin
    assert outside.post("/login", data=form, headers={"Origin": f"https://{NAME}"}).status_code == 303
    outside.cookies.clear()
    assert outside.get("/config").status_code == 401
    assert outside.get("/login", headers={"Host": "evil.example"}).status_code == 400


def test_a_large_upload_is_refused_at_the_proxy(outside: httpx.Client) -> None:
    files = {"files": ("big.txt", b"x" * (53 << 20))}
    assert outside.post("/gradio_api/upload", files=files).status_code == 413


@pytest.fixture(scope="module")
def both(
    seed_settings: Settings, script: ScriptedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[App, App]]:
    """Two processes of the app on one corpus and one index."""
    places = seeded(seed_settings, tmp_path_factory.mktemp("shared"))
    more = {"OPENAI_BASE_URL": script.url, "APP_AUTH": f"alice:{PASSWORD}", "APP_HOSTS": NAME, **places}
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    with running(first, **more) as one, running(second, **more) as other:
        yield one, other


def visitor(port: int, address: str) -> httpx.Client:
    """A browser at that address of loopback."""
    transport = httpx.HTTPTransport(verify=False, local_address=address)
    return httpx.Client(base_url=f"https://127.0.0.1:{port}", transport=transport, headers={"Host": NAME}, timeout=60)


FORM = {"user": "alice", "password": PASSWORD}


def test_two_processes_serve_visitors_who_stay_with_one(
    both: tuple[App, App], script: ScriptedServer, tmp_path: Path
) -> None:
    script.replies = {QUESTION: "North Korea is developing 13 special economic zones <<13 special>>."}
    with proxied(tmp_path, both, recipe(2)) as port:
        served = {}
        for network in range(1, 30):  # ip_hash tells apart the first three numbers of an address
            with visitor(port, f"127.0.{network}.1") as client:
                served.setdefault(client.get("/login").headers["X-Process"], f"127.0.{network}.1")
        assert set(served) == {app.url.removeprefix("http://") for app in both}
        for process, address in served.items():
            with visitor(port, address) as client:
                assert client.post("/login", data=FORM).status_code == 303
                told = Page.open(client).ask(QUESTION)
                assert "13 special" in " ".join(told["sentences"])
                for path in ("/config", "/", "/room/page.js", "/v1/models"):
                    assert client.get(path).headers["X-Process"] == process
                cookies = client.cookies
            elsewhere = next(other for name, other in served.items() if name != process)
            with visitor(port, elsewhere) as moved:  # the other process does not know this log-in
                moved.cookies = cookies
                assert moved.get("/config").status_code == 401


def test_two_processes_without_sticky_sessions_lose_the_log_in(both: tuple[App, App], tmp_path: Path) -> None:
    assert "ip_hash;" in recipe(2)
    turns = re.sub(r"ip_hash;.*", "", recipe(2))
    with proxied(tmp_path, both, turns) as port, visitor(port, "127.0.0.1") as client:
        assert client.post("/login", data=FORM).status_code == 303
        assert {client.get("/config").status_code for _ in range(4)} == {200, 401}


def test_a_visitor_cannot_choose_the_address_that_is_counted(outside: httpx.Client) -> None:
    """Last of all: it locks this address out."""
    tried = [
        outside.post(
            "/login", data={"user": "alice", "password": "wrong"}, headers={"X-Forwarded-For": f"198.51.100.{n}"}
        ).status_code
        for n in range(11)
    ]
    assert tried == [401] * 10 + [429]
