"""The asynchronous side of the chat client: one request, its retries, its limits.

Runs in the client's own thread (see `ChatModel`): only so can a request be ended at any
moment, before the headers or while it waits for a token, and be held to limits of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx
import openai

from app.answer import Usage
from app.embedded import EmbeddedServer
from app.endpoint import (
    TRIALS,
    WITH_LOGPROBS,
    Capabilities,
    Endpoint,
    Request,
    context_tokens,
    judge_trials,
    list_models,
    told_capabilities,
)
from app.faults import CHECK_URL, FAULTS, ModelError, explain, hung_up, pause_before
from app.reply import Piece, Reply
from app.turns import Turns
from ingest.address import loopback

# Faults after which the endpoint need not be asked anything else.
_HOPELESS = (
    "refused", "dns", "tls", "connect", "timeout", "stall", "unauthorized", "not_found", "rate_limit", "unavailable",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """Seconds: to connect, to the first token, between tokens; to wait for Retry-After in all.

    `at_once`: requests that are sent at the same time, None for no bound. One that waits for its turn is not sent yet,
    so none of the others has begun for it.
    """

    connect: float = 5.0
    first_token: float = 60.0
    stall: float = 30.0
    retry_after: float = 20.0
    at_once: int | None = None


class ChatClient:
    """Asks one endpoint. An embedded `server` is waited for, and started anew when it died."""

    def __init__(self, endpoint: Endpoint, api_key: str, server: EmbeddedServer | None, limits: Limits) -> None:
        self.endpoint = endpoint
        self.server = server
        self.limits = limits
        self._api_key = api_key
        self._client: openai.AsyncOpenAI | None = None
        self._closed = False
        self._turns = Turns(limits.at_once)

    @property
    def name(self) -> str:
        """The model's name for display."""
        return self.endpoint.model or f"the first model of {self.endpoint.host}"

    @property
    def where(self) -> str:
        """The host that is asked, or "the embedded server"; for messages."""
        return "the embedded model" if self.server else self.endpoint.host

    def address(self) -> tuple[str, str]:
        """Base URL and key; of an embedded server, those of its latest start."""
        if self.server:
            return self.server.base_url, self.server.api_key
        return self.endpoint.base_url, self._api_key

    def close(self) -> None:
        """Stop the embedded server, if there is one, for good."""
        self._closed = True
        if self.server:
            self.server.stop()

    async def _connected(self) -> openai.AsyncOpenAI:
        """The client, when the model is ready to be asked; an embedded server that died is started anew."""
        if self.server and self.server.state != "ready":
            await self._loaded(self.server)
        base_url, key = self.address()
        if self._client is None or str(self._client.base_url).rstrip("/") != base_url:
            self.endpoint.base_url = base_url
            timeout = httpx.Timeout(None, connect=self.limits.connect, write=30, pool=30)
            http = openai.DefaultAsyncHttpxClient(timeout=timeout, trust_env=not loopback(base_url))
            self._client = openai.AsyncOpenAI(
                base_url=base_url, api_key=key, timeout=timeout, max_retries=0, http_client=http
            )
        if self.endpoint.model is None:
            self.endpoint.take_first(await list_models(self._client))
        return self._client

    async def find(self) -> None:
        """Where no model is named, take one of the endpoint's list; one that tells none now is asked again later."""
        with suppress(*FAULTS):
            await self._connected()

    async def _loaded(self, server: EmbeddedServer) -> None:
        if self._closed:  # nothing loads it any more, and whoever waits for it holds up the end of the process
            raise ModelError("unavailable", "The embedded model has been closed.")
        if server.state == "stopped" or server.worth_another_try:
            server.start()
        if not await asyncio.to_thread(server.wait, self.limits.first_token):
            late = f"The embedded model is still loading after {self.limits.first_token:.0f} seconds. Ask again."
            raise ModelError("unavailable", server.reason or late)

    async def learn(self) -> Capabilities:
        """Find out what the endpoint can do, and remember it when it replied at all. Raises `ModelError`."""
        try:
            client = await self._connected()
            found = await told_capabilities(client, self.endpoint)
            replied = found is not None
            if found and not self.server:  # whoever runs it may have left log-probabilities out
                reply = await self._trial(WITH_LOGPROBS)
                found = replace(found, logprobs=bool(reply and reply.logprobs))
            if found is None:
                # Thinking fills a tiny reply, which then shows nothing.
                replies = [None if self.endpoint.thinks else await self._trial(request) for request in TRIALS]
                found = judge_trials(replies, await context_tokens(client, self.endpoint))
                replied = self.endpoint.thinks or any(replies)
            self.endpoint.capabilities = found if replied else None
            return found
        except FAULTS as error:
            raise await self._with_models(explain(error, self.where, self.name, False)) from None

    async def _trial(self, request: Request) -> Piece | None:
        """The whole reply to one of TRIALS; None when the endpoint can be asked, but not this."""
        text = ""
        logprobs: tuple[tuple[str, float], ...] = ()
        try:
            async with aclosing(self._tries(request)) as pieces:
                async for piece in pieces:
                    text = piece.text if piece.restart else text + piece.text
                    logprobs = logprobs or piece.logprobs
        except FAULTS as error:
            fault = explain(error, self.where, self.name, False)
            if fault.kind in _HOPELESS:
                raise fault from None
            return None
        return Piece(text, logprobs)

    async def answer(
        self, requests: Sequence[Request], begun: bool, put: Callable[[Piece | ModelError | None], None]
    ) -> None:
        """Give `put` the pieces of the replies, then perhaps a `ModelError`, then None; `begun` as of `Turns.held`.

        One turn is held over all requests, so that what the model has read for one is there for the next.
        """
        partial = False
        try:
            async with self._turns.held(begun):
                for request in requests:
                    async with aclosing(self._tries(request)) as pieces:
                        async for piece in pieces:
                            partial = partial or bool(piece.text)
                            put(piece)
        except FAULTS as error:
            fault = explain(error, self.where, self.name, partial)
            put(await self._with_models(fault))
        finally:
            put(None)

    async def _with_models(self, fault: ModelError) -> ModelError:
        if fault.kind != "not_found" or self._client is None:
            return fault
        names = [entry["id"] for entry in await list_models(self._client)][:12]
        return ModelError(fault.kind, f"{fault} It has: {', '.join(names)}.") if names else fault

    async def _tries(self, request: Request) -> AsyncGenerator[Piece, None]:
        """Try again, but never after the first text: refused parameters, 429, one failure of the server."""
        without: set[str] = set()
        patience, failures = self.limits.retry_after, 0
        while True:
            client = await self._connected()
            body = self.endpoint.body(request, without)
            given = False
            try:
                once = self._shares if request.tokens else self._once
                async with aclosing(once(client, body)) as pieces:
                    async for piece in pieces:
                        given = True
                        yield piece
                return
            except openai.APIStatusError as error:
                dropped = self.endpoint.drop(error, body)
                pause = pause_before(error, failures)
                if given or dropped in without or not (dropped or (pause is not None and pause <= patience)):
                    raise
                if dropped:
                    without.add(dropped)
                    continue
            except (httpx.RemoteProtocolError, openai.APIConnectionError) as error:
                if given or failures or not hung_up(error):
                    raise
                pause = 0.0
            except ModelError as error:
                if given or not self._makes_room(error, request):
                    raise
                pause = 0.0
            failures += 1
            patience -= pause or 0
            await asyncio.sleep(pause or 0)

    def _makes_room(self, error: ModelError, request: Request) -> bool:
        """Was the whole reply thinking, for the first time? The next has room for it, which no trial is worth."""
        if error.kind != "thinking" or self.endpoint.thinks:
            return False
        self.endpoint.thinks = True
        return request not in TRIALS

    async def _once(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> AsyncGenerator[Piece, None]:
        reply = Reply(self.where, self.endpoint.thinks_unopened)
        clock = asyncio.get_running_loop().time
        end = clock() + self.limits.first_token
        stream = await self._within(client.chat.completions.create(**body), end - clock(), reply)
        try:
            if "application/json" in stream.response.headers.get("content-type", ""):
                await self._within(stream.response.aread(), end - clock(), reply)
                piece = reply.take_whole(stream.response.json())
                if piece.text:
                    yield piece
            else:
                reply.check_type(stream.response)
            while not reply.whole:
                limit = self.limits.stall if reply.begun else end - clock()
                try:
                    chunk = await self._within(stream.__anext__(), limit, reply)
                except StopAsyncIteration:
                    break
                piece = reply.take(chunk)
                if piece.restart:
                    self.endpoint.thinks = self.endpoint.thinks_unopened = True
                if piece.text or piece.restart:
                    yield piece
        finally:
            await stream.close()
        for piece in reply.finish():
            yield piece
        self.endpoint.thinks = self.endpoint.thinks or reply.thought_unseen
        # The end of a thinking may have been said once only, such as by a document's order.
        self.endpoint.thinks_unopened = self.endpoint.thinks_unopened and not reply.began_with_text

    async def _shares(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> AsyncGenerator[Piece, None]:
        """One piece, with the shares of the tokens asked for; raises `ModelError` where none are told."""
        told = await self._within(client.chat.completions.create(**body), self.limits.first_token, Reply(self.where))
        try:
            first = told.choices[0].logprobs.content[0].top_probs
            shares = tuple((int(entry["id"]), float(entry["prob"])) for entry in first)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            shares = ()
        if not shares:
            raise ModelError("wrong_json", f"{self.where} does not tell how likely words are. {CHECK_URL}")
        yield Piece(shares=shares, usage=told.usage and Usage(told.usage.prompt_tokens, told.usage.completion_tokens))

    async def _within(self, waiting: Any, limit: float, reply: Reply) -> Any:
        # Not asyncio.wait_for: before Python 3.12 it loses a cancel that comes together with the result.
        task = asyncio.ensure_future(waiting)
        try:
            done, _ = await asyncio.wait((task,), timeout=max(limit, 0.01))
        except asyncio.CancelledError:
            await _dispose(task)
            raise
        if done:
            return task.result()
        await _dispose(task)
        limits, where = self.limits, self.where
        if reply.begun:
            raise ModelError("stall", f"{where} stopped writing for {limits.stall:.0f} seconds. Ask again.")
        text = f"{where} wrote nothing within {limits.first_token:.0f} seconds. Ask again, or choose"
        raise ModelError("timeout", f"{text} a faster model with CHAT_MODEL.")


async def _dispose(task: "asyncio.Future[Any]") -> None:
    """End a request, also one that has just been answered: the server stops writing when it is hung up."""
    task.cancel()
    ended: tuple[Any] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(ended[0], openai.AsyncStream):
        await ended[0].close()
