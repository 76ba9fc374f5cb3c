"""A real server on loopback that stands for the whole Web: names resolve to a public address by a
stub, and the connector, which records what it is asked to reach, leads to this server."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpcore

from ingest.fetch import tcp_connector

PUBLIC = "93.184.216.34"
Handler = Callable[[bytes, socket.socket], None]


class Server:
    """A real TCP server on loopback; `handle(request head, connection)` answers each connection."""

    def __init__(self, handle: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handle, self.context, self.requests = handle, context, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.reached: list[tuple[str, int]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(4096)
                if not part:
                    return
                head += part
            self.requests.append(head)
            self.handle(head, connection)

    def connect(self, address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        """The connector to inject: notes where it was sent and leads here."""
        self.reached.append((address, port))
        return tcp_connector("127.0.0.1", self.port, timeout)


@contextmanager
def serving(handle: Handler, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(handle, context)
    try:
        yield server
    finally:
        server.listener.close()


def reply(body: bytes = b"<p>hello</p>", status: str = "200 OK", **headers: str) -> Handler:
    lines = [f"HTTP/1.1 {status}"] + [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    if "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return lambda _, connection: connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def public(host: str, port: int) -> list[str]:
    return [PUBLIC]
