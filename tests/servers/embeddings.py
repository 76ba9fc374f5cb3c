"""/v1/embeddings on loopback: the packaged model, its vectors turned by a rotation.

So it is truly another embedder of the same dimension: within it texts are as near to each other as
ever, but its vectors and the packaged model's have nothing to do with each other. `seed` picks the
rotation; `faults` are statuses that the next replies have; `spoil` changes the list of vectors.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from ingest.embed import LocalEmbedder

_LOCAL = LocalEmbedder()


def rotation(seed):
    """An orthogonal matrix of 384 by 384."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(384, 384)))[0].astype(np.float32)


class EmbeddingsServer:
    """A context manager; `url` ends in /v1, `sizes` counts the `texts` of each request, `keys` is what it was told."""

    def __init__(self, seed=1):
        self.seed, self.sizes, self.keys, self.faults, self.texts = seed, [], [], [], []
        self.spoil = lambda vectors: vectors
        self.meanwhile = lambda: None
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: EmbeddingsServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner = self.owner
        owner.keys.append(self.headers["authorization"])
        if owner.faults:
            return self.reply(owner.faults.pop(0), {"error": {"message": "no", "key": self.headers["authorization"]}})
        owner.sizes.append(len(body["input"]))
        owner.texts += body["input"]
        owner.meanwhile()
        vectors = owner.spoil((3 * _LOCAL.embed(body["input"]) @ rotation(owner.seed)).tolist())
        rows = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return self.reply(200, {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage})

    def reply(self, code, value):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(data)
