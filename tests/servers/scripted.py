"""An OpenAI-shaped server on loopback that writes what a test tells it to, word by word.

`replies` maps a part of the question to the reply. `<<words>>` in a reply becomes the number, in
brackets, of the evidence sentence that holds these words. At each form feed the server waits until
`go` is called, so that a test can look at a half-written answer without any timing. The question
whether the cited text says the answer is answered with `belief`: HELD (default) or NOT_HELD; None fails.
With `says`, a probability, the server is one that a grammar holds, as llama.cpp's: it tells of itself at
/props, and of its first word how likely it was "Yes" and how likely "No", unless it is `silent` about that; if it is
`masked`, as they are once a grammar has left nothing but the Yes.
`finish` is why a reply ended.
What `app.calibration` asks is answered rightly, unless it is not `discerning`: then with `says`, whatever is asked.
With `thinks`, it thinks first there. `cases` are those that were asked.
Asked how likely tokens are (`logit_bias`), it tells it of the first two, by `says` or, of the cited text, `belief`.
`bodies` are all requests. At a form feed in `belief`, too, the server waits; `came` is set then, and at any other.
"""

import json
import math
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app import calibration, followup, prompt
from tests.servers.faulty import delta

HELD, NOT_HELD = "Yes", "No"
PACE = 0.03  # seconds between two words: the page shows a sentence in the making every 0.06


class ScriptedServer:
    """A context manager; `url` ends in /v1. `hung_up` is set when a client closes a stream before its end."""

    def __init__(self):
        self.replies, self.belief, self.says, self.asked = {}, HELD, None, []  # `asked`: (model, question)
        self.silent, self.discerning, self.thinks, self.finish = False, True, False, "stop"
        self.masked = False
        self.cases, self.bodies = [], []  # `cases`: questions of `app.calibration`
        self.hung_up, self.came = threading.Event(), threading.Event()
        self._gate = threading.Semaphore(0)
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

    def go(self):
        """Let one waiting reply go on."""
        self._gate.release()

    def wait(self):
        """Called by a reply at a form feed; a test that forgets to call `go` ends here."""
        self.came.set()
        assert self._gate.acquire(timeout=60)

    def reply(self, model, messages):
        """The text for one request."""
        asked = [one["content"] for one in messages if one["role"] != "assistant"]
        system, user = asked[0], asked[-1]
        question = user.rsplit("uestion: ", 1)[-1].split("\n")[0]
        if system == followup.SYSTEM:
            return question
        self.asked.append((model, question))
        text = next((text for part, text in self.replies.items() if part in question), "Nothing was scripted.")
        lines = dict(re.findall(r"^\[(\d+)\] (.*)$", user, re.MULTILINE))

        def number(match):
            return f"[{next(n for n, line in lines.items() if match[1] in line)}]"

        return re.sub("<<(.+?)>>", number, text)

    def verdict(self, tokens):
        """The text for one case."""
        thought = f"<think> Well. </think> {HELD}" if tokens > 1 else "<think>"
        return thought if self.thinks else HELD

    def case(self, messages):
        """How likely it says Yes to a case of `app.calibration`; None for all other requests."""
        user = messages[-1]["content"]
        holds = next((holds for question, *_, holds in calibration.CASES if f"Question: {question}\n" in user), None)
        if holds is None or self.says is None:
            return None
        self.cases.append(user)
        return (0.95 if holds else 0.05) if self.discerning else self.says


class _Handler(BaseHTTPRequestHandler):
    owner: ScriptedServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.owner.says is None or self.path != "/props":
            self.send_error(404)
            return
        told = json.dumps({"default_generation_settings": {"n_ctx": 4096}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.owner.bodies.append(body)
        if "logit_bias" in body:
            self._tell_shares(body)
            return
        case = self.owner.case(body["messages"])
        only_a_word = case is None and body.get("max_tokens") == 1  # does the cited text say the answer?
        if only_a_word and self.owner.belief is None:
            self.send_error(400)
            return
        text = self.owner.verdict(body["max_tokens"]) if case else self.owner.belief
        if case is None and not only_a_word:
            text = self.owner.reply(body["model"], body["messages"])
        likely = case or (None if only_a_word or self.owner.silent else self.owner.says)
        likely = 1.0 if likely is not None and self.owner.masked and "grammar" in body else likely
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.close_connection = True
        self.end_headers()
        try:
            for piece in re.findall(r"\f|[^\S\f]*[^\s\f]+", text):
                if piece == "\f":
                    self.owner.wait()
                else:
                    time.sleep(PACE)
                    self._event(_with_odds(delta(piece), likely))
                    likely = None
            usage = {"prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290}
            self._event(delta(finish=self.owner.finish))
            self._event({**delta(), "choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.owner.hung_up.set()

    def _tell_shares(self, body):
        of_evidence = body["messages"][0]["content"] == prompt.SYSTEM
        yes = self.owner.says if of_evidence else {HELD: 0.99, NOT_HELD: 0.01}[self.owner.belief]
        tokens = [token for token, _ in body["logit_bias"]]
        top = [{"id": token, "token": "?", "prob": share} for token, share in zip(tokens, (yes, 1 - yes), strict=False)]
        word = {"token": "?", "prob": yes, "top_probs": [] if self.owner.silent else top}
        choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "length"}
        told = json.dumps({**delta(), "choices": [{**choice, "logprobs": {"content": [word]}}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def _event(self, value):
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()


def _with_odds(chunk, yes):
    """The chunk with how likely its word was Yes, where that is told."""
    if yes is not None:
        shares = (("Yes", yes), ("No", 1 - yes))
        top = [{"token": word, "logprob": math.log(share)} for word, share in shares if share]
        word = {"token": "Yes", "logprob": math.log(yes), "top_logprobs": top}
        chunk["choices"][0]["logprobs"] = {"content": [word]}
    return chunk
