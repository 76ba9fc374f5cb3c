"""A model hub on loopback that speaks the HTTP of the real one: pointers, a second host, ranges.

`files` are served under the repository `owner/name`. HEAD of resolve/main answers with a redirect
that carries X-Linked-Etag (the SHA-256), X-Linked-Size and X-Repo-Commit; the redirect leads to
/cdn/, which serves byte ranges. `cut` bytes into a reply the connection breaks off (once).
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" * 6 + "c0ff"


class HubServer:
    """A context manager; `url` is the base of the hub."""

    def __init__(self, **files):
        self.files = {name.replace("__", "."): data for name, data in files.items()}
        self.requests = []
        self.cut = 0
        self.wrong = b""
        self.no_pointer = self.gated = False
        self.elsewhere = ""
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.owner.requests.append((self.command, self.path, self.headers.get("range")))
        parts = self.path.strip("/").split("/")
        if self.owner.gated:
            return self.reply(401, b"")
        if self.path == "/api/models/owner/name":
            siblings = [{"rfilename": name} for name in ["README.md", *self.owner.files]]
            return self.reply(200, json.dumps({"id": "owner/name", "siblings": siblings}).encode())
        if parts[:3] == ["owner", "name", "resolve"] and parts[-1] in self.owner.files:
            return self.pointer(parts[-1])
        if parts[0] == "cdn" and parts[-1] in self.owner.files:
            return self.data(self.owner.wrong or self.owner.files[parts[-1]])
        return self.reply(404, b"")

    def pointer(self, name):
        data = self.owner.files[name]
        headers = {"Location": f"{self.owner.elsewhere}/cdn/{name}", "X-Repo-Commit": COMMIT}
        if not self.owner.no_pointer:
            headers["X-Linked-Etag"] = f'"{hashlib.sha256(data).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(data))
        self.reply(302, b"", headers)

    def data(self, data):
        start = int((self.headers.get("range") or "bytes=0-")[6:-1])
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        self.reply(206 if start else 200, data[start:], headers)

    def reply(self, code, body, headers=None):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        cut, self.owner.cut = (self.owner.cut, 0) if "cdn" in self.path else (0, self.owner.cut)
        if self.command != "HEAD":
            self.wfile.write(body[: cut or None])
        if cut:
            self.close_connection = True
