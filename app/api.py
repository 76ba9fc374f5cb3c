"""The OpenAI-compatible door: /v1/chat/completions and /v1/models, so that any chat client can ask.

The same road and the same answers as the page. Citations stand in the message as numbered notes,
and beside it, machine-readable, as `citations`: an extra field that clients which do not know it
ignore. Sampling settings of a request are ignored; the road decides them.
"""

import asyncio
import json
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from time import time
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from app.answer import HISTORY, Answer, AnswerSentence, Finished, Turn, Withdrawn, Wrote
from app.contract import answer_json
from app.render import inert, visible
from app.room import HISTORY_CHARACTERS, UNFORESEEN, BusyError, Room
from ingest import UserError

MODEL = "reading-room"
ABSTAINED = "The sources do not answer this."
WITHDRAWN = "(What stands above was the model's thinking, not its answer.)"


def routes(room: Room) -> APIRouter:
    """The routes of this door over `room`."""
    router = APIRouter()

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "local"}]}

    @router.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        try:
            asked = _read(await request.json())
        except UserError as error:
            return _fault(400, str(error))
        except (ValueError, RecursionError):
            return _fault(400, "The body is not JSON.")
        cancelled = threading.Event()
        if asked["stream"]:
            return StreamingResponse(_stream(room, asked, cancelled), media_type="text/event-stream")
        watch = _Watch(request, cancelled)
        try:
            answer = await watch.during(run_in_threadpool(_answer, room, asked, cancelled))
        except UserError as error:
            return _fault(429 if isinstance(error, BusyError) else 400, str(error))
        return JSONResponse(_completion(answer))

    return router


def _read(body: Any) -> dict[str, Any]:
    """Question, history and choices of a request; raises `UserError` when there is no question."""
    messages = body.get("messages") if isinstance(body, dict) else None
    given = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
    told = [(m["role"], _words(m.get("content"))) for m in given if m.get("role") in ("user", "assistant")]
    if not told or told[-1][0] != "user":
        raise UserError("`messages` must end with a message of the role user: the question.")
    turns: list[Turn] = []
    for role, text in told[:-1]:
        text = text[:HISTORY_CHARACTERS]
        if role == "user":
            turns.append(Turn(text, ""))
        elif turns:
            turns[-1] = Turn(turns[-1].question, text)
    documents = body.get("documents")
    return {
        "question": told[-1][1],
        "history": tuple(turns[-HISTORY:]),
        "documents": [str(one) for one in documents] if isinstance(documents, list) else None,
        "stream": body.get("stream") is True,
    }


def _words(content: Any) -> str:
    """The text of a message, which may come in parts."""
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(str(part) for part in parts)
    return content if isinstance(content, str) else ""


def _events(room: Room, asked: dict[str, Any], cancelled: threading.Event) -> Iterator[Any]:
    with room.at_door():
        yield from room.road.ask(
            asked["question"], asked["history"], document_ids=asked["documents"], cancelled=cancelled
        )


def _answer(room: Room, asked: dict[str, Any], cancelled: threading.Event) -> Answer:
    for event in _events(room, asked, cancelled):
        if isinstance(event, Finished):
            return event.answer
    raise RuntimeError("the road ended without an answer")


class _Watch:
    """Sets `cancelled` when the client goes away while its answer is being made."""

    def __init__(self, request: Request, cancelled: threading.Event) -> None:
        self._request, self._cancelled = request, cancelled

    async def during(self, work: Awaitable[Answer]) -> Answer:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=0.5)
                if await self._request.is_disconnected():
                    self._cancelled.set()
            return await task
        finally:
            self._cancelled.set()


class _Notes:
    """Numbers the quotes in the order in which they are first cited."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, int, int], int] = {}
        self.lines: list[str] = []

    def sentence(self, sentence: AnswerSentence) -> str:
        """The sentence with its numbers, and with the word on why where it is not supported."""
        marks = "".join(f"[{number}]" for number in dict.fromkeys(map(self._number, sentence.citations)))
        why = f": {inert(sentence.why)}" if sentence.why else ""
        flag = "" if sentence.verdict == "supported" else f" (not supported by the sources{why})"
        return f"{inert(sentence.written)}{' ' if marks else ''}{marks}{flag}"

    def _number(self, citation: Any) -> int:
        span, metadata = citation.span, citation.evidence.metadata
        key = (span.document_id, span.start, span.end)
        if key not in self.numbers:
            self.numbers[key] = len(self.numbers) + 1
            quote = " ".join(visible(span.text).split())
            self.lines.append(f"[{self.numbers[key]}] “{inert(quote)}” — {inert(metadata.title)}")
        return self.numbers[key]


def _text(answer: Answer) -> str:
    notes = _Notes()
    body = ABSTAINED if answer.abstained else " ".join(map(notes.sentence, answer.sentences))
    return "\n\n".join(filter(None, [body, inert(answer.notice), "\n".join(notes.lines)]))


def citations(answer: Answer) -> list[dict[str, Any]]:
    """Each citation of the answer once, numbered as in the message."""
    notes, found = _Notes(), []
    for sentence in answer_json(answer, "")["sentences"]:
        for citation in sentence["citations"]:
            key = (citation["document_id"], citation["start"], citation["end"])
            if key not in notes.numbers:
                notes.numbers[key] = len(notes.numbers) + 1
                found.append({"number": notes.numbers[key], **citation})
    return found


def _completion(answer: Answer) -> dict[str, Any]:
    usage = answer.usage
    counts = {"prompt_tokens": usage.prompt_tokens or 0, "completion_tokens": usage.completion_tokens or 0}
    message = {"role": "assistant", "content": _text(answer), "citations": citations(answer)}
    return {
        **_head("chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {**counts, "total_tokens": sum(counts.values())},
        "citations": citations(answer),
        "answer": answer_json(answer, "q1"),
    }


async def _stream(room: Room, asked: dict[str, Any], cancelled: threading.Event) -> AsyncIterator[str]:
    """Sentence by sentence, each checked before it is sent; then the notes, then `citations`."""
    head = _head("chat.completion.chunk")

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return f"data: {json.dumps({**head, 'choices': [choice], **more}, ensure_ascii=False)}\n\n"

    notes, sent = _Notes(), 0
    try:
        yield chunk({"role": "assistant", "content": ""})
        async for event in _in_threads(_events(room, asked, cancelled)):
            if isinstance(event, Wrote):
                yield chunk({"content": (" " if sent else "") + notes.sentence(event.sentence)})
                sent += 1
            elif isinstance(event, Withdrawn):
                yield chunk({"content": f"\n\n{WITHDRAWN}\n\n"})
                notes, sent = _Notes(), 0
            elif isinstance(event, Finished):
                yield chunk({"content": _rest(event.answer, notes, sent)})
                yield chunk({}, "stop", citations=citations(event.answer), answer=answer_json(event.answer, "q1"))
    except UserError as error:
        yield f"data: {json.dumps(_error(str(error)))}\n\n"
    except Exception:
        yield f"data: {json.dumps(_error(UNFORESEEN))}\n\n"
        raise
    finally:
        cancelled.set()
    yield "data: [DONE]\n\n"


async def _in_threads(events: Iterator[Any]) -> AsyncIterator[Any]:
    """The events, each waited for in a thread that is let go at once when the client leaves."""
    end = object()
    while (event := await run_sync(next, events, end, abandon_on_cancel=True)) is not end:
        yield event


def _rest(answer: Answer, notes: _Notes, sent: int) -> str:
    """What follows the sentences that were sent: the notes. Of an abstention no sentence of its own was sent."""
    if answer.abstained:
        return ABSTAINED
    lead = "\n\n" if sent else ""
    return lead + "\n\n".join(filter(None, [inert(answer.notice), "\n".join(notes.lines)]))


def _head(kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time()), "model": MODEL}


def _error(line: str) -> dict[str, Any]:
    return {"error": {"message": line, "type": "invalid_request_error", "param": None, "code": None}}


def _fault(status: int, line: str) -> JSONResponse:
    return JSONResponse(_error(line), status_code=status)
