"""The fetcher against the SSRF list and hostile servers; all traffic stays on loopback.

Names resolve by a stub, and the connector, which records what it is asked to reach, sends
every allowed connection to a real server of the test.
"""

import gzip
import json
import os
import socket
import ssl
import subprocess
import threading
import zlib
from pathlib import Path

import pytest
from loopback import PUBLIC, Server, public, reply, serving

from ingest.fetch import Fetched, fetch
from ingest.target import FetchError, parse_url, public_address

DATA = Path(os.environ.get("BENCH_DATA") or Path(__file__).parents[2] / "shared" / "data") / "badinput"
CASES = DATA / "own" / "ssrf_cases.json"


def get(server: Server, url: str = "http://site.test/", **options: object) -> Fetched:
    options = {"resolve": public, "seconds": 5.0} | options
    found = fetch(url, connect=server.connect, **options)  # type: ignore[arg-type]
    assert found is not None
    return found


def ssrf_cases(*categories: str) -> list[object]:
    if not CASES.is_file():
        missing = pytest.mark.skip(reason=f"no SSRF list at {CASES}; set BENCH_DATA")
        return [pytest.param({}, marks=[missing, pytest.mark.equipped])]
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    return [pytest.param(c, id=c["id"], marks=pytest.mark.equipped) for c in cases if c["cat"].startswith(categories)]


@pytest.mark.parametrize(
    "case", ssrf_cases("loopback-v4", "ipv6", "private/metadata", "parser-confusion", "scheme", "port")
)
def test_no_listed_url_opens_a_socket(case: dict[str, str]) -> None:
    with serving(reply()) as server:
        with pytest.raises(FetchError):
            get(server, case.get("url", ""))
        assert server.reached == []


DNS_ANSWERS = {
    "A=127.0.0.1": ["127.0.0.1"],
    "AAAA=::1 only": ["::1"],
    "AAAA=::ffff:127.0.0.1": ["::ffff:127.0.0.1"],
    "A=[93.184.216.34, 127.0.0.1]": [PUBLIC, "127.0.0.1"],
    "CNAME to localhost": ["127.0.0.1"],
    "0 answers": [],
}


@pytest.mark.parametrize("case", ssrf_cases("dns"))
def test_names_that_lead_inside(case: dict[str, str]) -> None:
    kind = case["note"].removeprefix("dns: ").split(";")[0].strip()
    done = threading.Event()
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        if kind == "timeout":
            done.wait(30)
            return []
        if kind == "rebinding":
            return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]
        return DNS_ANSWERS[kind]

    with serving(reply()) as server:
        if kind == "rebinding":
            get(server, case["url"], resolve=resolve)
            assert asked == ["name.test"]
            assert server.reached == [(PUBLIC, 80)]
        else:
            with pytest.raises(FetchError, match=r"not a public address|has no address|took too long"):
                get(server, case["url"], resolve=resolve, seconds=1.0)
            assert server.reached == []
    done.set()


@pytest.mark.parametrize("case", [c for c in ssrf_cases("redirect") if "->" in str(c.values[0].get("url"))])
def test_redirects_inside_are_refused(case: dict[str, str]) -> None:
    code, location = case["url"].split(" -> ")
    with serving(reply(b"", f"{code} Moved", Location=location)) as server:
        with pytest.raises(FetchError, match=r"refused|not a public address"):
            get(server)
        assert server.reached == [(PUBLIC, 80)]


def test_a_chain_of_six_redirects_and_a_loop_end() -> None:
    def chain(head: bytes, connection: socket.socket) -> None:
        step = int(head.split(b" ")[1].strip(b"/") or b"0")
        reply(b"", "302 Found", Location=f"/{step + 1}")(head, connection)

    with serving(chain) as server:
        with pytest.raises(FetchError, match="more than 5 redirects"):
            get(server)
        assert len(server.reached) == 6
    with (
        serving(reply(b"", "302 Found", Location="/")) as server,
        pytest.raises(FetchError, match="redirects"),
    ):
        get(server)


def test_redirects_are_followed_and_the_last_address_is_told() -> None:
    def move(head: bytes, connection: socket.socket) -> None:
        if head.startswith(b"GET /new?q=caf%C3%A9 "):
            reply()(head, connection)
        else:
            reply(b"", "301 Moved", Location="/new?q=café#part")(head, connection)

    with serving(move) as server:
        assert get(server).url == "http://site.test/new?q=caf%C3%A9"


def test_neither_meta_refresh_nor_parts_of_a_page_are_fetched() -> None:
    body = b"<meta http-equiv=refresh content='0;url=http://127.0.0.1/'><img src=/x><iframe src=/y></iframe>"
    with serving(reply(body)) as server:
        assert get(server).data == body
        assert len(server.requests) == 1


@pytest.mark.parametrize("location", ["/a\r\nHost: 127.0.0.1", "http://user:pw@site.test/", "", "http://[::1"])
def test_malformed_redirects_are_refused(location: str) -> None:
    with serving(reply(b"", "302 Found", Location=location)) as server:
        with pytest.raises(FetchError):
            get(server)
        assert {address for address, _ in server.reached} == {PUBLIC}


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with serving(reply()) as server:
        assert get(server).data == b"<p>hello</p>"
        assert server.reached == [(PUBLIC, 80)]


def endless(_: bytes, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def endless_tail(_: bytes, connection: socket.socket) -> None:
    """A whole gzip body, and megabytes behind it."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello"))
    for _ in range(30):
        connection.sendall(b"\0" * 1_000_000)


def slow(_: bytes, connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"x" * 500:
        connection.sendall(bytes([byte]))
        threading.Event().wait(0.1)


def reset(_: bytes, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


BOMB = gzip.compress(b"\0" * 50_000_000)
HOSTILE = {
    "endless body": (endless, "larger than 10 MB"),
    "one byte after the other": (slow, "more than 2 seconds"),
    "gzip bomb": (reply(BOMB, Content_Encoding="gzip"), "larger than 10 MB"),
    "deflate bomb, lying length": (
        reply(zlib.compress(b"\0" * 50_000_000), Content_Encoding="deflate", Content_Length="100"),
        "malformed|cut off|damaged",
    ),
    "length 10 GiB": (reply(b"", Content_Length="10737418240"), "larger than 10 MB"),
    "image": (reply(Content_Type="image/png"), "image/png, not text"),
    "100 KiB header": (reply(X_Big="a" * 102_400), "malformed|too long"),
    "204": (lambda _, c: c.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"), "204"),
    "empty": (reply(b""), "sent nothing"),
    "cut off": (reset, "cut off"),
    "50 MiB": (reply(b"<p>a</p>" * 6_553_600), "larger than 10 MB"),
    "brotli unasked": (reply(Content_Encoding="br"), "was not asked for"),
    "endless tail of a gzip": (endless_tail, "larger than 10 MB"),
    "megabytes that unpack to nothing": (
        reply(gzip.compress(b"") * 600_000, Content_Encoding="gzip"),
        "larger than 10 MB",
    ),
    "bomb in the second member": (reply(gzip.compress(b"a") + BOMB, Content_Encoding="gzip"), "larger than 10 MB"),
    "half a second member": (reply(gzip.compress(b"a") * 2 + BOMB[:30], Content_Encoding="gzip"), "cut off"),
    "damaged gzip": (reply(b"no gzip", Content_Encoding="gzip"), "damaged"),
    "half a gzip": (reply(gzip.compress(b"hello" * 99)[:20], Content_Encoding="gzip"), "cut off"),
    "no HTTP": (lambda _, c: c.sendall(b"SSH-2.0-x\r\n"), "malformed"),
    "says nothing": (lambda _, c: threading.Event().wait(4), "more than 2 seconds|in time|cut off"),
    "404": (reply(status="404 Not Found"), r"404 \(Not Found\)"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_answers_end_with_a_reason(kind: str) -> None:
    handle, reason = HOSTILE[kind]
    with serving(handle) as server, pytest.raises(FetchError, match=reason):
        get(server, seconds=2.0)


# The cases that are no URL of their own, by the words of the list: the answers that test them.
ELSEWHERE = {
    "redirect chain of 6": "test_a_chain_of_six_redirects_and_a_loop_end",
    "redirect loop": "test_a_chain_of_six_redirects_and_a_loop_end",
    "https -> http downgrade": "test_https_is_not_left_for_http",
    "meta refresh to 127.0.0.1 (must not be followed)": "test_neither_meta_refresh_nor_parts_of_a_page_are_fetched",
    "sub-resources img/iframe/css/svg-use (must not be fetched)": (
        "test_neither_meta_refresh_nor_parts_of_a_page_are_fetched"
    ),
    "Location with CRLF": "test_malformed_redirects_are_refused",
    "Location with userinfo": "test_malformed_redirects_are_refused",
    "HTTP_PROXY set in the environment (trust_env must be off)": "test_proxies_of_the_environment_are_not_used",
    "endless body": "endless body",
    "1 byte per second (slowloris)": "one byte after the other",
    "gzip bomb": "gzip bomb",
    "deflate bomb with lying Content-Length": "deflate bomb, lying length",
    "Content-Length 10 GiB": "length 10 GiB",
    "no Content-Type": "test_no_content_type_is_no_fault",
    "Content-Type image/png with HTML body": "image",
    "100 KiB header": "100 KiB header",
    "204 empty": "204",
    "connection reset mid-body": "cut off",
    "TLS certificate invalid": "test_tls_is_checked_against_the_name_not_the_address",
    "50 MiB of HTML": "50 MiB",
}


@pytest.mark.equipped
def test_no_case_of_the_list_is_left_out() -> None:
    """143 addresses and redirects, 12 hostile answers."""
    cases = [case.values[0] for case in ssrf_cases("")]
    if cases == [{}]:
        pytest.skip(f"no SSRF list at {CASES}; set BENCH_DATA")
    answers = [case for case in cases if case["cat"] == "response"]
    assert (len(cases) - len(answers), len(answers)) == (143, 12)
    whole = ("loopback-v4", "ipv6", "private/metadata", "parser-confusion", "scheme", "port", "dns")
    driven = [case for case in cases if case["cat"].startswith(whole) or "->" in case["url"]]
    rest = [case["note"] for case in cases if case not in driven]
    assert sorted(rest) == sorted(ELSEWHERE)
    assert all(place in HOSTILE or callable(globals()[place]) for place in ELSEWHERE.values())


def test_no_content_type_is_no_fault() -> None:
    with serving(reply(b"plain words")) as server:
        found = get(server)
    assert (found.data, found.content_type) == (b"plain words", None)


def test_compressed_bodies_are_decoded() -> None:
    with serving(reply(gzip.compress(b"hello"), Content_Encoding="gzip")) as server:
        assert get(server).data == b"hello"
    members = gzip.compress(b"hello ") + gzip.compress(b"again")
    for tail in (b"", b"\0" * 512, b"junk"):
        with serving(reply(members + tail, Content_Encoding="gzip")) as server:
            assert get(server).data == b"hello again"
    with serving(reply(zlib.compress(b"hello") + b"junk", Content_Encoding="deflate")) as server:
        assert get(server).data == b"hello"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for site.test, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=site.test", "-addext", "subjectAltName=DNS:site.test"],
        capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is needed to make a certificate")
    return key, cert


@pytest.mark.equipped
def test_tls_is_checked_against_the_name_not_the_address(certificate: tuple[str, str]) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    trusting = ssl.create_default_context(cafile=cert)
    with serving(reply(), context) as server:
        assert get(server, "https://site.test/", ssl_context=trusting).data == b"<p>hello</p>"
        assert server.reached == [(PUBLIC, 443)]
        with pytest.raises(FetchError, match="certificate is not valid"):
            get(server, "https://other.test/", ssl_context=trusting)
        with pytest.raises(FetchError, match="certificate is not valid"):
            get(server, "https://site.test/")


@pytest.mark.equipped
def test_https_is_not_left_for_http(certificate: tuple[str, str]) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    trusting = ssl.create_default_context(cafile=cert)
    with (
        serving(reply(b"", "302 Found", Location="http://site.test/"), context) as server,
        pytest.raises(FetchError, match="from https to http"),
    ):
        get(server, "https://site.test/", ssl_context=trusting)


def test_what_has_not_changed_is_not_sent_again() -> None:
    def conditional(head: bytes, connection: socket.socket) -> None:
        if b'If-None-Match: "v1"' in head and b"If-Modified-Since: Tue, 24 Nov 2026" in head:
            connection.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            reply(ETag='"v1"', Last_Modified="Tue, 24 Nov 2026 00:00:00 GMT")(head, connection)

    with serving(conditional) as server:
        first = get(server)
        assert first.etag == '"v1"'
        again = fetch(
            "http://site.test/", etag=first.etag, last_modified=first.last_modified,
            resolve=public, connect=server.connect,
        )  # fmt: skip
    assert again is None


def test_no_cookie_and_no_credential_is_sent() -> None:
    def sets(head: bytes, connection: socket.socket) -> None:
        if b"GET / " in head:
            reply(b"", "302 Found", Location="/next", Set_Cookie="a=b")(head, connection)
        else:
            reply()(head, connection)

    with serving(sets) as server:
        get(server)
        sent = b"".join(server.requests).lower()
    assert len(server.requests) == 2
    assert b"cookie" not in sent
    assert b"authorization" not in sent


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://example.com:443/a?b=c#d", "https://example.com/a?b=c"),
        ("https://bücher.example/straße", "https://xn--bcher-kva.example/stra%C3%9Fe"),
        ("http://example.com./x", "http://example.com/x"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ("https://en.wikipedia.org/wiki/Foo_(bar)", "https://en.wikipedia.org/wiki/Foo_(bar)"),
        ("https://a.example/%7Euser/a%20b", "https://a.example/%7Euser/a%20b"),
        ("https://medium.com/@name/post", "https://medium.com/@name/post"),
    ],
)
def test_honest_urls_are_taken(url: str, plain: str) -> None:
    assert parse_url(url).url == plain


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", PUBLIC])
def test_public_addresses(address: str) -> None:
    assert public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "fe80::1%eth0",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:1::1",
        "::",
        "fec0::1",
        "no",
    ],
)
def test_addresses_that_are_not_public_or_embed_others(address: str) -> None:
    assert not public_address(address)
