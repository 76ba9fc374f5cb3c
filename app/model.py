"""The only chat client: messages -> pieces of text, from any OpenAI-shaped endpoint.

One road for hosted, local and embedded models: the `openai` client. llama-index's
`OpenAILike` rides on the same client, and `ChatModel.llm()` gives one for the same endpoint,
for llama-index's own tools; the stream here uses the client directly, because OpenAILike
costs seconds of import before the first word, repeats the whole text so far in every event,
has one time-out instead of limits on first token and stall, and cannot be cancelled while
it waits.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import openai

from app.client import ChatClient, Limits
from app.embedded import EmbeddedServer
from app.endpoint import Capabilities, Endpoint, Request
from app.faults import ModelError
from app.probe import Probe, packaged_probe
from app.reply import Piece
from app.weights import Packaged, chosen_model, of_this_machine
from ingest import UserError
from ingest.address import loopback, nearby
from ingest.settings import Settings

if TYPE_CHECKING:
    from llama_index.llms.openai_like import OpenAILike

OPENAI = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4.1-mini"
# On this machine reading 2,500 tokens takes half a minute on two cores, and the embedded model answers four at once.
LOCAL_LIMITS = Limits(first_token=240, stall=60)
TOLD = 6  # models of an endpoint's list that are named beside the first


def open_model(settings: Settings, name: str | None = None, load: bool = True) -> "ChatModel":
    """The chat model `name` (default: CHAT_MODEL) where the settings say; nothing is asked of a remote endpoint yet.

    OPENAI_BASE_URL, else OPENAI_API_KEY (hosted OpenAI), else the embedded model, whose loading
    begins in the background, or with its first question when not `load`. Never another one than
    that. Raises `UserError` when the name is no model that the embedded server can load.
    """
    key = settings.openai_api_key or "none"
    name = name or settings.chat_model
    if settings.openai_base_url:
        limits = LOCAL_LIMITS if nearby(settings.openai_base_url) else Limits()
        return ChatModel(Endpoint(settings.openai_base_url, name), key, None, limits)
    if settings.openai_api_key and name and of_this_machine(name):
        raise UserError(
            f"CHAT_MODEL is {name!r}, a model of this machine, and OPENAI_API_KEY means OpenAI: unset one of the two."
        )
    if settings.openai_api_key:
        return ChatModel(Endpoint(OPENAI, name or OPENAI_MODEL), key)
    chosen = chosen_model(settings, name)
    server = EmbeddedServer(chosen.path(settings))
    if load:
        server.start()
    model = ChatModel(Endpoint("", chosen.name), "", server, replace(LOCAL_LIMITS, at_once=server.options.slots))
    probe = packaged_probe()
    if isinstance(chosen, Packaged) and chosen.sha256 == probe.sha256:  # the gate, too, was fitted to it
        model.believed, model.probe = True, probe
    return model


class ChatModel:
    """A chat model behind an endpoint; safe to use from several threads at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        api_key: str,
        server: EmbeddedServer | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._client = ChatClient(endpoint, api_key, server, limits)
        self.believed: bool | None = None  # see `app.calibration`; None while it is not known
        self.probe: Probe | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name for display."""
        return self._client.name

    @property
    def where(self) -> str:
        """Who serves it, for display: "embedded", or the host that is asked."""
        return "embedded" if self._client.server else self._client.endpoint.host

    @property
    def remote(self) -> bool:
        """Do questions and passages leave this machine?"""
        return not self._client.server and not loopback(self._client.endpoint.base_url)

    def describe(self, others: Sequence[str] = ()) -> str:
        """One line: which model, where, and what leaves the machine.

        `others` are the hosts elsewhere that questions and passages are sent to besides, for their vectors.
        """
        place = f" at {self.where}" + ("" if self.remote else ", on this machine")
        hosts = [*([self.where] if self.remote else ()), *others]
        sent = f"questions and passages are sent to {' and '.join(hosts)}" if hosts else "nothing leaves this machine"
        return f"Model: {self.name}{', embedded' if self._client.server else place}; {sent}.{self._unnamed()}"

    def _unnamed(self) -> str:
        """How to choose another, where the settings name none and the endpoint's list has some."""
        choices = self._client.endpoint.choices
        if not choices:
            return ""
        others = [name for name in choices if name != self.name]
        more = f", {len(others) - TOLD} more" if len(others) > TOLD else ""
        has = f" (there are also {', '.join(others[:TOLD])}{more})" if others else ""
        return f" CHAT_MODEL is not set, so it is the first that the endpoint lists; set it to choose another{has}."

    def find(self) -> None:
        """Where the settings name no model, learn which the endpoint lists first; a fault is left to the question."""
        if self._client.server is None and self._client.endpoint.model is None:
            asyncio.run_coroutine_threadsafe(self._client.find(), self._started_loop()).result()

    @property
    def state(self) -> str:
        """ "ready", "loading", "failed" or "unloaded"; of an endpoint that others run, always "ready"."""
        state = self._client.server.state if self._client.server else "ready"
        return "unloaded" if state == "stopped" else state

    @property
    def ready(self) -> bool:
        """Can it be asked now? Of an endpoint that others run, always True."""
        return self._client.server is None or self._client.server.state == "ready"

    @property
    def thinks(self) -> bool:
        """Has it been seen to think before it answers?"""
        return self._client.endpoint.thinks

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the embedded model to load; True when it is ready."""
        return self._client.server is None or self._client.server.wait(timeout)

    @property
    def problem(self) -> str:
        """Why the embedded model cannot be used, one line; "" when nothing is known to be wrong."""
        server = self._client.server
        return server.reason if server and server.state == "failed" else ""

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
        tokens: tuple[int, ...] = (),
        begins: str = "",
        begun: bool = False,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Piece]:
        """The answer, piece by piece as it is written, without thinking; the last of a text has a finish_reason.

        `grammar` (GBNF), `json_schema`, `logprobs` (how many) apply where the endpoint knows them
        (see `capabilities`) and are left out where it refuses them. For the embedded model alone: `tokens`, whose
        shares come first, in a piece of their own, and all that comes where `max_tokens` is 0; and `begins`, with
        which the answer begins, though it is not among its pieces. A model that answers so many at a
        time takes them as they come, first those of a question that has `begun`: has been asked of it
        before. Closing the iterator cancels the request; so does setting `cancelled`, from any thread
        and also before its turn or the first token.
        Raises `ModelError`.
        """
        going_on = [*messages, {"role": "assistant", "content": begins}] if begins else messages
        request = Request(going_on, max_tokens, temperature, grammar, json_schema, logprobs, stop)
        before = [Request(messages, 1, tokens=tokens)] if tokens else []
        requests = [*before, request] if max_tokens else before
        given: queue.SimpleQueue[Piece | ModelError | None] = queue.SimpleQueue()
        task = asyncio.run_coroutine_threadsafe(self._client.answer(requests, begun, given.put), self._started_loop())
        try:
            while True:
                item = _next(given, cancelled)
                if item is None:
                    return task.result()  # raises what should not have happened
                if isinstance(item, ModelError):
                    raise item
                yield item
                if item.finish_reason:
                    return None
        finally:
            task.cancel()

    def warm(self, *beginnings: list[dict[str, str]], then: Callable[[], object]) -> None:
        """Have an embedded model read each conversation as soon as it is loaded, so that it is in its cache.

        Calls `then` when that is done. Returns at once, and does nothing at an endpoint that others run, where it
        would cost.
        """
        if self._client.server:
            threading.Thread(target=self._read, args=(beginnings, then), name="warm-model", daemon=True).start()

    def _read(self, beginnings: Sequence[list[dict[str, str]]], then: Callable[[], object]) -> None:
        for messages in beginnings:
            # Whoever asks is told of a fault; one who closes meanwhile wants no answer.
            with suppress(ModelError, CancelledError, RuntimeError):
                self.complete(messages, max_tokens=1)
        with suppress(CancelledError, RuntimeError):
            then()

    def complete(self, messages: list[dict[str, str]], **options: Any) -> Piece:
        """The whole answer as one piece; options and errors as of `stream`."""
        pieces = list(self.stream(messages, **options))
        first = next((piece for piece in pieces if piece.logprobs or piece.shares), pieces[-1])
        begins = max((number for number, piece in enumerate(pieces) if piece.restart), default=0)
        text = "".join(piece.text for piece in pieces[begins:])
        return Piece(text, first.logprobs, pieces[-1].finish_reason, pieces[-1].usage, shares=first.shares)

    def capabilities(self, cancelled: threading.Event | None = None) -> Capabilities:
        """What the endpoint can do; asked of it once, then remembered. Raises `ModelError`.

        When `cancelled` is set meanwhile, it is taken to know nothing, and that is not remembered.
        """
        if known := self._client.endpoint.capabilities:
            return known
        ended: queue.SimpleQueue[Future[Capabilities]] = queue.SimpleQueue()
        task = asyncio.run_coroutine_threadsafe(self._client.learn(), self._started_loop())
        task.add_done_callback(ended.put)
        if _next(ended, cancelled) is task:
            found: Capabilities = task.result()
            return found
        task.cancel()
        return Capabilities(False, False, False, None)

    def llm(self) -> "OpenAILike":
        """This endpoint as llama-index's `OpenAILike`, for its query engines, rerankers and agents."""
        from llama_index.llms.openai_like import OpenAILike

        if not self.wait_ready():
            raise ModelError("unavailable", self.problem)
        found = self.capabilities()
        base_url, key = self._client.address()
        elsewhere = not loopback(base_url)
        return OpenAILike(  # type: ignore[call-arg]
            model=self._client.endpoint.model or "default",
            api_base=base_url,
            api_key=key,
            is_chat_model=True,
            max_retries=1,
            context_window=found.context_tokens or 4096,
            timeout=self._client.limits.first_token,
            # A proxy of the environment is for what is elsewhere.
            http_client=openai.DefaultHttpxClient(trust_env=elsewhere),
            async_http_client=openai.DefaultAsyncHttpxClient(trust_env=elsewhere),
        )

    def close(self) -> None:
        """Stop the embedded server, if there is one, and the client's thread."""
        self._client.close()
        with self._lock:
            loop, self._loop = self._loop, None
        if loop:
            asyncio.run_coroutine_threadsafe(_wind_down(loop), loop)

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="chat-client", daemon=True).start()
            return self._loop


async def _wind_down(loop: asyncio.AbstractEventLoop) -> None:
    """End what is under way, each to its last line, then the loop."""
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    loop.stop()


def _next(given: "queue.SimpleQueue[Any]", cancelled: threading.Event | None) -> Any:
    """The next item; when `cancelled` is set, a last piece that says so."""
    if cancelled is None:
        return given.get()
    while not cancelled.is_set():
        with suppress(queue.Empty):
            return given.get(timeout=0.05)
    return Piece(finish_reason="cancelled")
