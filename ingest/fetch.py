"""URL -> bytes, bounded and safe: a web page must not make us talk to what only we can reach.

The rules (OWASP SSRF prevention; RFC 6890 special addresses): what `target` takes apart is what is
connected to; a name is resolved once, every address it has must be public, and the connection goes
to the address that was checked, so that a second answer of the name server changes nothing; each
redirect is a new decision. No proxy or credential of the environment is used, no cookie kept. Size
counts after decompression, time counts in total.
"""

import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin

import httpcore

from ingest.inflate import Inflater
from ingest.target import FetchError, Target, parse_url, public_address

MAX_BYTES = 10_000_000
MAX_HEADER_BYTES = 32_000
MAX_SECONDS = 20.0
MAX_REDIRECTS = 5
USER_AGENT = "article-chat/1 (a reader's own copy)"

Resolver = Callable[[str, int], Sequence[str]]
Connector = Callable[[str, int, float], httpcore.NetworkStream]

_NOT_TEXT = ("image/", "audio/", "video/", "font/", "model/")
_HEADERS = [("User-Agent", USER_AGENT), ("Accept-Encoding", "gzip"), ("Connection", "close"),
            ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]  # fmt: skip
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Fetched:
    """What a URL gave: the address after redirects, the decoded bytes, what the server says of them."""

    url: str
    data: bytes
    content_type: str | None
    etag: str | None
    last_modified: str | None


def system_resolver(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver gives for a name; raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def tcp_connector(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
    """Open a connection to an address, which has been checked, within `timeout` seconds."""
    return httpcore.SyncBackend().connect_tcp(address, port, timeout=timeout)


class _Clock:
    """The time left of one fetch, redirects included."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise FetchError(f"it took more than {self.seconds:g} seconds")
        return left


class _Stream(httpcore.NetworkStream):
    """A stream of which each step gets no more time than the whole fetch has left."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, self._clock.left())
        return _Stream(secured, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Pinned(httpcore.NetworkBackend):
    """Connects to the checked address, whatever name it is asked for."""

    def __init__(self, address: str, connect: Connector, clock: _Clock) -> None:
        self._address, self._connect, self._clock = address, connect, clock

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        return _Stream(self._connect(self._address, port, self._clock.left()), self._clock)


def fetch(
    url: str,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    resolve: Resolver = system_resolver,
    connect: Connector = tcp_connector,
    ssl_context: ssl.SSLContext | None = None,
    max_bytes: int = MAX_BYTES,
    seconds: float = MAX_SECONDS,
) -> Fetched | None:
    """Fetch a URL; None when `etag` or `last_modified` is given and it has not changed since.

    `max_bytes` bounds the decoded body, `seconds` everything from the first look-up to the last
    byte. Raises `FetchError` with the reason for all that goes wrong.
    """
    clock = _Clock(seconds)
    context = ssl_context or ssl.create_default_context()
    conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    headers = {k: v for k, v in conditions.items() if v and v.isascii() and v.isprintable()}
    target = parse_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        answer = _one(target, headers, clock, resolve, connect, context, max_bytes)
        if not isinstance(answer, Target):
            return answer
        target = answer
    raise FetchError(f"more than {MAX_REDIRECTS} redirects")


def _one(
    target: Target, headers: dict[str, str], clock: _Clock, resolve: Resolver, connect: Connector,
    context: ssl.SSLContext, max_bytes: int,
) -> Fetched | Target | None:  # fmt: skip
    """One request: the body, or where it redirects to, or None for "not modified"."""
    address = _checked_address(target, resolve, clock)
    pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_Pinned(address, connect, clock))
    with (
        _faults_named(target, clock),
        pool,
        pool.stream("GET", target.url, headers=[*_HEADERS, *headers.items()]) as response,
    ):
        found = _header_map(response.headers)
        if response.status in _REDIRECTS:
            return _redirect(target, found.get("location"))
        if response.status == 304 and headers:
            return None
        _require_page(response.status, found, max_bytes)
        data = _decoded(response.iter_stream(), found.get("content-encoding"), max_bytes, clock)
    if not data.strip():
        raise FetchError("the server sent nothing")
    return Fetched(target.url, data, found.get("content-type"), found.get("etag"), found.get("last-modified"))


@contextmanager
def _faults_named(target: Target, clock: _Clock) -> Iterator[None]:
    """Whatever goes wrong on the wire, as a `FetchError` that says so in one line."""
    try:
        yield
    except (httpcore.TimeoutException, TimeoutError) as error:
        clock.left()
        raise FetchError("the server did not answer in time") from error
    except httpcore.ConnectError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLError):
            raise FetchError(f"no safe connection: {_tls_reason(error)}") from error
        raise FetchError(f"{target.host} cannot be reached") from error
    except httpcore.ProtocolError as error:
        raise FetchError("the server's answer is malformed or was cut off") from error
    except (httpcore.NetworkError, OSError) as error:
        raise FetchError("the connection broke off") from error


def _tls_reason(error: Exception) -> str:
    found = re.search(r"certificate verify failed: ([^(]+)", str(error))
    return f"the certificate is not valid ({found[1].strip()})" if found else "TLS failed"


def _checked_address(target: Target, resolve: Resolver, clock: _Clock) -> str:
    """The address to connect to; a name of which any address is not public is refused."""
    try:
        addresses: Sequence[str] = [str(ip_address(target.host))]
    except ValueError:
        addresses = _resolved(target, resolve, clock)
    if not addresses:
        raise FetchError(f"{target.host} has no address")
    for address in addresses:
        if not public_address(address):
            led = "" if address == target.host else f" leads to {address[:45]}, which"
            raise FetchError(f"{target.host}{led} is not a public address")
    return addresses[0]


def _resolved(target: Target, resolve: Resolver, clock: _Clock) -> Sequence[str]:
    """Resolve in a thread of its own: the system's resolver takes no time limit."""
    result: list[Sequence[str] | OSError | UnicodeError] = []

    def look_up() -> None:
        try:
            result.append(resolve(target.host, target.port))
        except (OSError, UnicodeError) as error:
            result.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(min(clock.left(), 10.0))
    if not result:
        raise FetchError(f"looking up {target.host} took too long")
    if isinstance(result[0], (OSError, UnicodeError)):
        raise FetchError(f"{target.host} is not known") from result[0]
    return result[0]


def _header_map(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    if sum(len(key) + len(value) for key, value in headers) > MAX_HEADER_BYTES:
        raise FetchError("the headers of the server's answer are too long")
    return {key.decode("latin-1").lower(): value.decode("latin-1").strip() for key, value in headers}


def _redirect(target: Target, location: str | None) -> Target:
    if not location:
        raise FetchError("a redirect to nowhere")
    # Headers travel as bytes; servers write UTF-8 into Location.
    try:
        location = location.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as error:
        raise FetchError("a redirect to a malformed URL") from error
    try:
        joined = urljoin(target.url, location)
    except ValueError as error:
        raise FetchError("a redirect to a malformed URL") from error
    try:
        following = parse_url(joined)
    except FetchError as error:
        raise FetchError(f"a redirect was refused: {error}") from error
    if target.scheme == "https" and following.scheme == "http":
        raise FetchError("a redirect from https to http was refused")
    return following


def _require_page(status: int, headers: dict[str, str], max_bytes: int) -> None:
    if status != 200:
        try:
            phrase = f" ({HTTPStatus(status).phrase})"
        except ValueError:
            phrase = ""
        raise FetchError(f"the server answered {status}{phrase}")
    kind = (headers.get("content-type") or "").lower()
    if kind.startswith(_NOT_TEXT):
        raise FetchError(f"it is {kind.split(';')[0]}, not text")
    length = headers.get("content-length") or ""
    if length.isdigit() and int(length) > max_bytes:
        raise FetchError(f"it is larger than {max_bytes // 1_000_000} MB")


def _decoded(chunks: Iterable[bytes], encoding: str | None, max_bytes: int, clock: _Clock) -> bytes:
    """Collect the body, inflating it step by step so that no bomb goes off."""
    name = (encoding or "identity").strip().lower()
    if name not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise FetchError(f"the server compressed it with {name[:20]!r}, which was not asked for")
    inflater = None if name in ("identity", "") else Inflater("gzip" in name)
    body, sent = bytearray(), 0  # what is sent counts too: much can unpack to nothing
    try:
        for chunk in chunks:
            clock.left()
            sent += len(chunk)
            body += inflater.feed(chunk, max_bytes + 1 - len(body)) if inflater else chunk
            if max(sent, len(body)) > max_bytes:
                raise FetchError(f"it is larger than {max_bytes // 1_000_000} MB")
    except zlib.error as error:
        raise FetchError("its compression is damaged") from error
    if inflater and not inflater.complete:
        raise FetchError("its compressed body was cut off")
    return bytes(body)
