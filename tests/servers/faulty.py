"""A scripted OpenAI-shaped chat server on loopback that goes wrong on request.

The model's name in a request picks the behaviour, one method of `_Handler` each; `requests`
keeps every body it is used on, `hung_up` is set when a client closes a stream before its end. With
`says_yes`, what is asked before the answer itself is answered well: whether it knows schemas and
grammars (it does), and log-probabilities (it does not).
"""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FaultyServer:
    """A context manager; `url` ends in /v1."""

    def __init__(self):
        self.requests = []
        self.hung_up = threading.Event()
        self.says_yes = False
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    def times(self, model):
        """How often `model` was asked."""
        return sum(body["model"] == model for body in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # clients that may connect at the same moment


def delta(text=None, finish=None, **more):
    choice = {"index": 0, "delta": {"content": text} if text is not None else {}, "finish_reason": finish}
    choice["delta"] |= more
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/api/ps":  # Ollama's list of what it has loaded
            return self.json(200, {"models": [{"name": "cuts:latest", "context_length": 2048}]})
        if not self.path.endswith("/models"):
            return self.fail(404, "no such path")
        return self.json(200, {"data": [{"id": "good", "max_model_len": 4096}, {"id": "other"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.body = body
        if self.owner.says_yes and body["max_tokens"] < 50:
            before = '{"fruit": "kiwi"}' if "response_format" in body else "kiwi"
            return self.say(delta(before), delta(finish="stop"))
        self.owner.requests.append(body)
        return getattr(self, body["model"])()

    # Tools of the behaviours.

    def json(self, code, value, **headers):
        self.raw(code, json.dumps(value).encode(), "application/json", **headers)

    def raw(self, code, data, kind, **headers):
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def fail(self, code, message, param=None, **headers):
        self.json(code, {"error": {"message": message, "type": "error", "param": param}}, **headers)

    def begin(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.close_connection = True
        self.end_headers()

    def event(self, value):
        self.wfile.write(f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def say(self, *chunks, done=True):
        self.begin()
        for chunk in chunks:
            self.event(chunk)
        if done:
            self.event("[DONE]")

    def first_time(self):
        return self.owner.times(self.body["model"]) == 1

    # Behaviours, by the name of the model.

    def good(self, read=7):
        usage = {"prompt_tokens": read, "completion_tokens": 2, "total_tokens": 9}
        last = {**delta(), "choices": [], "usage": usage}
        self.say(delta("", role="assistant"), delta("Hello"), delta(" there."), delta(finish="stop"), last)

    def cites(self):
        """The evidence sentence on the special economic zones, cited."""
        self.cite(next(line for line in self.evidence() if "13 special economic zones" in line[1]))

    def copies(self):
        """The evidence sentence that has most words of the question, cited."""
        question = self.body["messages"][-1]["content"].rpartition("Question:")[2].partition("\n")[0]
        asked = set(re.findall(r"\w{3,}", question.lower()))
        self.cite(max(self.evidence(), key=lambda line: len(asked & set(re.findall(r"\w{3,}", line[1].lower())))))

    def evidence(self):
        return re.findall(r"^\[(\d+)\] (.*)$", self.body["messages"][-1]["content"], re.M)

    def cite(self, line):
        self.say(delta(f"{line[1]} [{line[0]}]"), delta(finish="stop"))

    def silent(self):
        self.begin()
        self.event(delta("", role="assistant"))
        self.wait_for_hangup()

    def stall(self):
        self.begin()
        self.event(delta("Half an"))
        self.wait_for_hangup()

    def wait_for_hangup(self):
        """Until the client closes, up to 20 seconds."""
        self.connection.settimeout(20)
        try:
            closed = self.connection.recv(1) == b""
        except TimeoutError:
            closed = False
        except OSError:
            closed = True
        if closed:
            self.owner.hung_up.set()

    def unauthorized(self):
        self.fail(401, f"Incorrect API key provided: {self.headers['authorization'][7:]}")

    def missing(self):
        self.fail(404, "The model `missing` does not exist")

    def busy(self):
        self.fail(429, "Rate limit", retry_after="60")

    def busy_once(self):
        if self.first_time():
            return self.fail(429, "Rate limit", retry_after="0.2")
        return self.good()

    def broke(self):
        said = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
        self.json(429, {"error": said}, retry_after="0")

    def broken(self):
        self.fail(500, "boom")

    def broken_once(self):
        if self.first_time():
            return self.fail(503, "overloaded")
        return self.good()

    def long_prompt(self):
        self.fail(400, "This model's maximum context length is 4096 tokens, you asked for 9000 (max_tokens).")

    def small(self):
        """Reads three sentences of evidence at once, and does not tell so."""
        if len(self.evidence()) > 3:
            return self.long_prompt()
        return self.copies()

    def cut(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", "100000")
        self.close_connection = True
        self.end_headers()
        self.event(delta("Half an"))

    def cut_cleanly(self):
        self.say(delta("Half an"), done=False)

    def malformed(self):
        self.say(delta("Half an"), '{"choices": [{"delta"')

    def malformed_first(self):
        self.say("<html>")

    def failed_later(self):
        self.say(delta("Half an"), {"error": {"message": "out of memory", "code": 500}})

    def empty(self):
        self.say(delta("", role="assistant"), delta(finish="stop"))

    def nothing(self):
        self.say()

    def wrong_json(self):
        self.say({"answer": "Hello"})

    def wrong_types(self):
        self.say({"choices": [{"delta": {"content": 5}}]})

    def page(self):
        self.raw(200, b"<html>Welcome</html>", "text/html")

    def thinks(self):
        text = "<think>Let me see.\n</think>\n\nHello there."
        self.say(delta(reasoning_content="Hm."), *(delta(c) for c in text), delta(finish="stop"))

    def thinks_unopened(self):
        """Its template opens the thinking in the prompt, so that only the end of it is written."""
        text = "Let me see. It is [1].\n</think>\n\nHello there."
        self.say(*(delta(c) for c in text), delta(finish="stop"))

    def thinks_when_told(self):
        """Says the end of a thinking only where the question asks for it."""
        return self.thinks_unopened() if "think" in self.body["messages"][-1]["content"] else self.good()

    def thinks_long(self):
        """Needs more than the visible answer's tokens."""
        if self.body["max_tokens"] < 1000:
            return self.say(delta(reasoning_content="Hm, "), delta(finish="length"))
        return self.good()

    def able(self):
        """Does what it is asked for: a grammar, a schema, log-probabilities."""
        if "response_format" in self.body:
            return self.say(delta('{"fruit": "kiwi"}'), delta(finish="stop"))
        chunk = delta("kiwi")
        chunk["choices"][0]["logprobs"] = {"content": [{"token": "ki", "logprob": -1, "top_logprobs": []}]}
        chunk["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = [{"token": "ki", "logprob": -1}]
        return self.say(chunk, delta(finish="stop"))

    def able_later(self):
        """Fails for a while, as a server does that is still starting."""
        return self.fail(503, "starting") if self.owner.times("able_later") <= 6 else self.able()

    def reasons(self):
        """As OpenAI's models that think unseen: no log-probabilities (403), no streaming, thinking counted alone."""
        if "logprobs" in self.body:
            return self.fail(403, "You are not allowed to request logprobs from this model")
        if self.body.get("stream"):
            return self.fail(400, "Your organization must be verified to stream this model.", "stream")
        told = self.body["max_tokens"] > 1000
        usage = {"prompt_tokens": 7, "completion_tokens": 300, "total_tokens": 307}
        usage["completion_tokens_details"] = {"reasoning_tokens": 290 if told else 300}
        message = {"role": "assistant", "content": "Hello there." if told else ""}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if told else "length"}
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        return self.json(200, {**whole, "choices": [choice], "usage": usage})

    def hangs_up_once(self):
        """Closes the connection without a word, as a kept one that is too old."""
        if not self.first_time():
            return self.good()
        self.close_connection = True
        return None

    def picky(self):
        """Refuses what the newest hosted models refuse, one parameter at a time."""
        for name in ("max_tokens", "temperature", "grammar", "stream_options"):
            if name in self.body:
                return self.fail(400, f"Unsupported parameter: '{name}' is not supported with this model.", name)
        assert self.body["max_completion_tokens"]
        return self.good()

    def cuts(self):
        """As a model of Ollama's, which does not tell in /v1/models how much it reads."""
        return self.good()

    def cuts_untold(self):
        """As one of an older Ollama, which tells it nowhere."""
        words = sum(len(message["content"].split()) for message in self.body["messages"])
        return self.good(min(words, 2048))

    def reads_all(self):
        """As a hosted model, which does not tell its context either."""
        return self.good(sum(len(message["content"].split()) for message in self.body["messages"]))

    def gemma(self):
        """As vLLM with a template that has no system role."""
        if self.body["messages"][0]["role"] == "system":
            return self.fail(400, "System role not supported")
        return self.good()

    def scant(self):
        """As OpenAI's Responses API behind routers: refuses fewer than 16 tokens."""
        if self.body["max_tokens"] < 16:
            return self.fail(400, "Invalid 'max_output_tokens': expected a value >= 16, but got 8 instead.")
        return self.good()

    def slow(self):
        self.begin()
        try:
            for _ in range(400):
                self.event(delta("word "))
                time.sleep(0.05)
        except OSError:
            self.owner.hung_up.set()
