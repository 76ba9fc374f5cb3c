"""The only chat client: messages -> pieces of text, from any OpenAI-shaped endpoint.

One road for hosted, local and embedded models: the `openai` client. `OpenAILike` of
llama-index rides on the same client; the stream here uses the client directly, because
OpenAILike's costs seconds of import before the first word, repeats the whole text so far
in every event, has no first-token and stall limits, and cannot be cancelled while it
waits. `ChatModel.llm()` gives the `OpenAILike` of the same endpoint for llama-index tools.
"""

import asyncio
import ipaddress
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import openai

from app.answer import Usage
from app.embedded import EmbeddedServer
from app.endpoint import Capabilities, Endpoint, Request, find_capabilities, list_models
from app.faults import ModelError, explain
from app.markup import ThinkingFilter
from app.weights import chosen_weights
from ingest.settings import Settings

if TYPE_CHECKING:
    from llama_index.llms.openai_like import OpenAILike

OPENAI = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4.1-mini"


@dataclass(frozen=True)
class Piece:
    """A piece of an answer as it is written.

    `logprobs` (first piece with text, if asked for): the likeliest first tokens with their natural
    logarithms of probability. The last piece has no text, but `finish_reason` ("stop", "length",
    "cancelled", ...) and `usage`.
    """

    text: str = ""
    logprobs: tuple[tuple[str, float], ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True)
class Limits:
    """Seconds: to connect, to the first token, between tokens; to wait for Retry-After in all."""

    connect: float = 5.0
    first_token: float = 60.0
    stall: float = 30.0
    retry_after: float = 20.0


def open_model(settings: Settings) -> "ChatModel":
    """The chat model that the settings name; nothing is asked of a remote endpoint yet.

    OPENAI_BASE_URL, else OPENAI_API_KEY (hosted OpenAI), else the embedded model, whose loading
    begins in the background. Never another one than that. Raises `UserError` when CHAT_MODEL
    is no model that the embedded server can load.
    """
    key = settings.openai_api_key or "none"
    if settings.openai_base_url:
        return ChatModel(Endpoint(settings.openai_base_url, settings.chat_model), key)
    if settings.openai_api_key:
        return ChatModel(Endpoint(OPENAI, settings.chat_model or OPENAI_MODEL), key)
    server = EmbeddedServer(chosen_weights(settings))
    server.start()
    # Reading 2,500 tokens takes half a minute on two cores, and four may ask at once.
    return ChatModel(Endpoint("", server.weights.stem), "", server, Limits(first_token=240, stall=60))


class ChatModel:
    """A chat model behind an endpoint; safe to use from several threads at once."""

    def __init__(
        self, endpoint: Endpoint, api_key: str, server: EmbeddedServer | None = None, limits: Limits = Limits()
    ) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self._api_key = api_key
        self._server = server
        self._client: openai.AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name for display."""
        return self.endpoint.model or f"the first model of {self.endpoint.host}"

    @property
    def where(self) -> str:
        """ "embedded", or the host that is asked."""
        return "embedded" if self._server else self.endpoint.host

    @property
    def remote(self) -> bool:
        """Do questions and passages leave this machine?"""
        return not self._server and not _loopback(self.endpoint.base_url)

    def describe(self) -> str:
        """One line for the start: which model, where, and what leaves the machine."""
        if self._server:
            return f"Model: {self.name}, embedded; nothing leaves this machine."
        if self.remote:
            return f"Model: {self.name} at {self.where}; questions and passages are sent there."
        return f"Model: {self.name} at {self.where}, on this machine."

    def ready(self) -> bool:
        """Can it be asked now? Of an endpoint that others run, always True."""
        return self._server is None or self._server.state == "ready"

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the embedded model to load; True when it is ready."""
        return self._server is None or self._server.wait(timeout)

    @property
    def problem(self) -> str:
        """Why the embedded model cannot be used, one line; "" when nothing is known to be wrong."""
        return self._server.reason if self._server and self._server.state == "failed" else ""

    def stream(
        self,
        messages: list[dict[str, str]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        grammar: str | None = None,
        json_schema: dict[str, Any] | None = None,
        logprobs: int | None = None,
        stop: list[str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Piece]:
        """The answer, piece by piece as it is written, without thinking; the last has a finish_reason.

        `grammar` (GBNF), `json_schema`, `logprobs` (how many) apply where the endpoint knows them
        (see `capabilities`) and are left out where it refuses them. Closing the iterator cancels the
        request; so does setting `cancelled`, from any thread and also before the first token.
        Raises `ModelError`.
        """
        request = Request(messages, max_tokens, temperature, grammar, json_schema, logprobs, stop)
        given: queue.SimpleQueue[Piece | ModelError | None] = queue.SimpleQueue()
        task = asyncio.run_coroutine_threadsafe(self._produce(request, given.put), self._started_loop())
        try:
            while True:
                item = _next(given, cancelled)
                if item is None:
                    return
                if isinstance(item, ModelError):
                    raise item
                yield item
        finally:
            task.cancel()

    def complete(self, messages: list[dict[str, str]], **options: Any) -> Piece:
        """The whole answer as one piece; options and errors as of `stream`."""
        pieces = list(self.stream(messages, **options))
        first = next((p.logprobs for p in pieces if p.logprobs), ())
        last = pieces[-1] if pieces else Piece()
        return Piece("".join(p.text for p in pieces), first, last.finish_reason, last.usage)

    def capabilities(self) -> Capabilities:
        """What the endpoint can do; asked of it once, then remembered. Raises `ModelError`."""
        if self.endpoint.capabilities is None:
            task = asyncio.run_coroutine_threadsafe(self._find_capabilities(), self._started_loop())
            task.result()
        assert self.endpoint.capabilities
        return self.endpoint.capabilities

    def llm(self) -> "OpenAILike":
        """This endpoint as llama-index's `OpenAILike`, for its query engines, rerankers and agents."""
        from llama_index.llms.openai_like import OpenAILike

        if not self.wait_ready():
            raise ModelError("unavailable", self.problem)
        found = self.capabilities()
        base_url, key = self._address()
        return OpenAILike(
            model=self.name, api_base=base_url, api_key=key, is_chat_model=True, max_retries=1,
            context_window=found.context_tokens or 4096, timeout=self.limits.first_token,
        )  # fmt: skip

    def close(self) -> None:
        """Stop the embedded server, if there is one, and the client's thread."""
        if self._server:
            self._server.stop()
        with self._lock:
            loop, self._loop, self._client = self._loop, None, None
        if loop:
            loop.call_soon_threadsafe(loop.stop)

    # Everything below runs in the client's own thread: only so can a request be ended at any
    # moment (before the headers, while waiting for a token) and be held to limits of its own.

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="chat-client", daemon=True).start()
            return self._loop

    def _address(self) -> tuple[str, str]:
        if self._server:
            return self._server.base_url, self._server.api_key
        return self.endpoint.base_url, self._api_key

    async def _connected(self) -> openai.AsyncOpenAI:
        """The client, when the model is ready to be asked; an embedded server that died is started anew."""
        if self._server and self._server.state != "ready":
            await self._loaded(self._server)
        base_url, key = self._address()
        if self._client is None or str(self._client.base_url).rstrip("/") != base_url:
            self.endpoint.base_url = base_url
            timeout = httpx.Timeout(None, connect=self.limits.connect, write=30, pool=30)
            http = openai.DefaultAsyncHttpxClient(timeout=timeout, trust_env=not _loopback(base_url))
            self._client = openai.AsyncOpenAI(
                base_url=base_url, api_key=key, timeout=timeout, max_retries=0, http_client=http
            )
        if self.endpoint.model is None:
            models = await list_models(self._client)
            self.endpoint.model = models[0]["id"] if models else None
        if self.endpoint.model is None:
            self.endpoint.model = "default"
        return self._client

    async def _loaded(self, server: EmbeddedServer) -> None:
        if server.state == "failed" and server.base_url:
            server.start()
        if not await asyncio.to_thread(server.wait, self.limits.first_token):
            late = f"The embedded model is still loading after {self.limits.first_token:.0f} seconds. Ask again."
            raise ModelError("unavailable", server.reason or late)

    async def _find_capabilities(self) -> None:
        try:
            self.endpoint.capabilities = await find_capabilities(await self._connected(), self.endpoint)
        except Exception as error:
            raise explain(error, self.where, self.name, False) from None

    async def _produce(self, request: Request, put: Callable[[Piece | ModelError | None], None]) -> None:
        partial = False
        try:
            async for piece in self._tries(request):
                partial = partial or bool(piece.text)
                put(piece)
        except Exception as error:
            fault = explain(error, self.where, self.name, partial)
            put(await self._with_models(fault))
        finally:
            put(None)

    async def _with_models(self, fault: ModelError) -> ModelError:
        if fault.kind != "not_found" or self._client is None:
            return fault
        names = [entry["id"] for entry in await list_models(self._client)][:12]
        return ModelError(fault.kind, f"{fault} It has: {', '.join(names)}.") if names else fault

    async def _tries(self, request: Request) -> AsyncIterator[Piece]:
        """Try again, but never after the first text: refused parameters, 429, one failure of the server."""
        without: set[str] = set()
        patience, failures = self.limits.retry_after, 0
        while True:
            client = await self._connected()
            body = self.endpoint.body(request, without)
            given = False
            try:
                async for piece in self._once(client, body):
                    given = True
                    yield piece
                return
            except openai.APIStatusError as error:
                dropped = self.endpoint.drop(error, body)
                pause = _pause(error, failures)
                if given or not (dropped or (pause is not None and pause <= patience)):
                    raise
                if dropped:
                    without.add(dropped)
                    continue
            except httpx.RemoteProtocolError:
                if given or failures:
                    raise
                pause = 0.0
            except ModelError as error:
                if given or error.kind != "thinking" or self.endpoint.thinks:
                    raise
                self.endpoint.thinks, pause = True, 0.0
            failures += 1
            patience -= pause or 0
            await asyncio.sleep(pause or 0)

    async def _once(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> AsyncIterator[Piece]:
        reply = _Reply(self.where)
        clock = asyncio.get_running_loop().time
        end = clock() + self.limits.first_token
        stream = await self._within(client.chat.completions.create(**body), end - clock(), reply)
        try:
            reply.check_type(stream.response)
            while True:
                limit = self.limits.stall if reply.begun else end - clock()
                try:
                    chunk = await self._within(stream.__anext__(), limit, reply)
                except StopAsyncIteration:
                    break
                piece = reply.take(chunk)
                if piece.text:
                    yield piece
        finally:
            await stream.close()
        for piece in reply.finish():
            yield piece

    async def _within(self, waiting: Any, limit: float, reply: "_Reply") -> Any:
        try:
            return await asyncio.wait_for(waiting, max(limit, 0.01))
        except asyncio.TimeoutError:
            if reply.begun:
                text = f"{self.where} stopped writing for {self.limits.stall:.0f} seconds. Ask again."
                raise ModelError("stall", text) from None
            text = f"{self.where} wrote nothing within {self.limits.first_token:.0f} seconds. Ask again, or " \
                "choose a smaller or faster model with CHAT_MODEL."  # fmt: skip
            raise ModelError("timeout", text) from None


class _Reply:
    """Chunks of one reply -> pieces; knows whether it began, thought and ended properly."""

    def __init__(self, where: str) -> None:
        self.begun = False
        self._where = where
        self._filter = ThinkingFilter()
        self._thought = self._given = False
        self._logprobs: tuple[tuple[str, float], ...] = ()
        self._usage: Usage | None = None
        self._finish: str | None = None

    def check_type(self, response: httpx.Response) -> None:
        kind = response.headers.get("content-type", "")
        if "event-stream" not in kind:
            raise ModelError("wrong_json", f"{self._where} did not stream its reply (it sent {kind or 'no type'}). "
                "Check that OPENAI_BASE_URL is an OpenAI-compatible endpoint (it mostly ends in /v1).")  # fmt: skip

    def take(self, chunk: Any) -> Piece:
        if not isinstance(chunk.choices, list):
            raise TypeError("chunk without choices")
        if chunk.usage:
            self._usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        if not chunk.choices:
            return Piece()
        choice = chunk.choices[0]
        self._finish = choice.finish_reason or self._finish
        delta = choice.delta
        if getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None):
            self.begun = self._thought = True
        if not delta or not delta.content:
            return Piece()
        self.begun = True
        return self._piece(self._filter.feed(delta.content), choice.logprobs)

    def _piece(self, text: str, logprobs: Any) -> Piece:
        self._thought = self._thought or self._filter.thinking
        if self._filter.thinking and not self._given:
            self._logprobs = ()
        elif not self._logprobs and logprobs and logprobs.content:
            top = logprobs.content[0].top_logprobs or []
            self._logprobs = tuple((entry.token, entry.logprob) for entry in top)
        if not self._given:
            text = text.lstrip() if self._thought else text
        first, self._given = not self._given and bool(text), self._given or bool(text)
        return Piece(text, self._logprobs if first else ())

    def finish(self) -> Iterator[Piece]:
        """The last pieces, or the error that tells how the reply fell short."""
        rest = self._piece(self._filter.close(), None)
        if rest.text:
            yield rest
        if self._finish is None and self.begun:
            raise ModelError("cut", f"{self._where} broke off in the middle of its reply. Ask again.")
        if not self._given and self._thought:
            raise ModelError("thinking", f"The model at {self._where} spent its whole reply on thinking. "
                "Choose a model that does not think, or switch its thinking off.")  # fmt: skip
        if not self._given:
            raise ModelError("empty", f"{self._where} sent an empty reply. Ask again, or choose another model.")
        yield Piece("", (), self._finish, self._usage)


def _next(given: "queue.SimpleQueue[Any]", cancelled: threading.Event | None) -> Any:
    """The next item; when `cancelled` is set, a last piece that says so, then None."""
    if cancelled is None:
        return given.get()
    while not cancelled.is_set():
        try:
            return given.get(timeout=0.05)
        except queue.Empty:
            continue
    given.put(None)
    return Piece(finish_reason="cancelled")


def _pause(error: openai.APIStatusError, failures: int) -> float | None:
    """Seconds to wait before trying again; None when trying again is of no use."""
    if error.status_code >= 500:
        return 0.5 if not failures else None
    if error.status_code != 429 or "quota" in error.message.lower() or failures >= 3:
        return None
    asked = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time())
    except (TypeError, ValueError):
        return 2.0**failures


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
