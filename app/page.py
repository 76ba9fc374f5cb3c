"""The only Gradio: the page's frame, its events and uploads; wiring, no logic.

Three gr.HTML: `frame` holds the page's static HTML and calls the server's read-only functions;
`answers` and `changes` show nothing and carry the streams of the two kinds of long work. The
script of the page (static/page.js) raises their events and gets their values. Beside them stands the
Gradio API for other programs: /search, /ask and /read; the page's own events are no part of it.
"""

import secrets
from collections.abc import Callable, Iterator
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from gradio import route_utils
from gradio.events import api
from pydantic import ValidationError, validate_call
from starlette.responses import JSONResponse, Response

from app import doors
from app.library import Library
from app.room import AT_DOORS, Room
from ingest import UserError
from ingest.settings import SOURCE_BYTES

STATIC = Path(__file__).resolve().parent / "static"
WAITING = 40  # questions that may wait for their turn; the next one is refused
ANSWERING = AT_DOORS  # at a time: who asks in the page waits no longer than who asks at /v1
# How long an upload that was not added is kept, and how often that is looked at, in seconds.
UPLOADS_KEPT = (3600, 3600)
# Pages of which Gradio keeps its state; unless told, of the last 10,000 that were opened, some 70 kB each. Ours has
# none on the server, and one that is let go of is made anew with its page's next request.
PAGES_KEPT = 100

_FRAME = "window.room.frame(element, server, upload)"
_ANSWERS = "window.room.answers({ask: (data) => trigger('ask', data), stop: (data) => trigger('stop', data)}); "
_CHANGES = "window.room.changes({alter: (data) => trigger('alter', data), halt: () => trigger('halt')}); "
_VALUE = "watch('value', () => window.room.{receive}(props.value))"


def mount(app: FastAPI, room: Room, library: Library) -> None:
    """Put the page at / of `app`: nothing shown, served, recorded or loaded that is not ours."""
    route_utils.GradioUploadFile = _Upload  # type: ignore[misc]
    plain = gr.themes.Base(font=["ui-serif", "Georgia", "serif"], font_mono=["ui-monospace", "monospace"])
    gr.mount_gradio_app(
        app,
        build(room, library),
        path="/",
        allowed_paths=[],
        show_error=False,
        max_file_size=SOURCE_BYTES,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        theme=plain,
        app_kwargs={
            "openapi_url": None,
            "docs_url": None,
            "redoc_url": None,
            "exception_handlers": {KeyError: _unknown_number},
        },
    )


async def _unknown_number(_: Request, error: Exception) -> Response:
    """Gradio looks functions and parts of the page up by number and lets a number that is none of them through."""
    if isinstance(error, KeyError) and isinstance(error.args[0], int):
        return JSONResponse({"detail": f"There is no function or part {error.args[0]}."}, status_code=404)
    raise error


class _Upload(route_utils.GradioUploadFile):
    """An upload in a folder of its own: Gradio's is named after its bytes, and who adds a file removes it there.

    So one who had uploaded the same file would find theirs gone.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.sha.update(secrets.token_bytes(16))


class _Page(gr.Blocks):
    """Blocks that tell a caller of too few values, where Gradio fails with a traceback."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        if len(inputs) < len(block_fn.inputs):
            line = f"Values needed: {len(block_fn.inputs)}; given: {len(inputs)}."
            raise gr.Error(line, print_exception=False)


def build(room: Room, library: Library) -> gr.Blocks:
    """The page over `room` and `library`, not yet served."""
    page: gr.Blocks
    with _Page(title="Reading room", analytics_enabled=False, fill_width=True, delete_cache=UPLOADS_KEPT) as page:
        _html("frame", html_template=_shell(), js_on_load=_FRAME, server_functions=_reads(room, library))
        answers = _html("answers", js_on_load=_ANSWERS + _VALUE.format(receive="answered"))
        changes = _html("changes", js_on_load=_CHANGES + _VALUE.format(receive="changed"))

        def ask(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
            yield from room.ask(_session(request), _data(event))

        def stop(event: gr.EventData, request: gr.Request) -> None:
            room.stop(_session(request), str(_data(event).get("turn", "")))

        def alter(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
            yield from library.change(_session(request), _data(event))

        def halt(request: gr.Request) -> None:
            library.stop(_session(request))

        def leave(request: gr.Request) -> None:
            room.stop(_session(request))

        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        # All go through the queue: the route for events outside of it is closed (app/guard.py).
        streams = private | {"trigger_mode": "multiple"}
        # Named apart from the API's `ask`: Gradio numbers the second of two functions of one name.
        answers.ask(ask, outputs=answers, concurrency_limit=ANSWERING, api_name="answer", **streams)
        answers.stop(stop, concurrency_limit=None, **streams)
        # Not `change`: Gradio raises an event of that name whenever the value changes.
        changes.alter(alter, outputs=changes, concurrency_limit=1, **streams)
        changes.halt(halt, concurrency_limit=None, **streams)
        page.unload(leave)
        _api(room)
    page.queue(max_size=WAITING, api_open=False)
    page.state_session_capacity = PAGES_KEPT
    return page


def _api(room: Room) -> None:
    """The named endpoints of the Gradio API; parameters, defaults and descriptions are those of the functions."""

    def search(query: str, k: int = 8, documents: list[str] | None = None) -> dict[str, Any]:
        """Passages of the library for a query, best first, at most k (1 to 50), of these document ids only."""
        return doors.search(room, query, k, documents)

    def ask(question: str, documents: list[str] | None = None, request: gr.Request | None = None) -> dict[str, Any]:
        """Answer a question from the library, or from these document ids: checked sentences with citations."""
        with room.stoppable(_session(request) if request else "") as cancelled:
            return doors.ask(room, question, documents, cancelled)

    def read(document_id: str = "", start: int = 0, end: int | None = None) -> dict[str, Any]:
        """An article's text from start to end, at most 20,000 characters; without an id, the list of articles."""
        return doors.read(room, document_id, start, end)

    for function in (search, ask, read):
        api(_checked(function), concurrency_limit=ANSWERING)


def _checked(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """`function`, its arguments held to their types; a fault that the caller can mend becomes one line for them."""
    names = list(signature(function).parameters)
    typed = validate_call(config={"arbitrary_types_allowed": True})(function)  # among them Gradio's request

    @wraps(function)
    def call(*given: Any) -> dict[str, Any]:
        try:
            return typed(**dict(zip(names, given, strict=True)))
        except ValidationError as error:
            line = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())
            raise gr.Error(line, print_exception=False) from error
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return call


def _html(name: str, **options: Any) -> gr.HTML:
    options = {"html_template": "", **options}
    return gr.HTML(elem_id=name, apply_default_css=False, **options)


def _shell() -> str:
    return (STATIC / "page.html").read_text(encoding="utf-8")


def _data(event: gr.EventData) -> dict[str, Any]:
    """What the page's script sent with an event; nothing for what is no object, which only a stranger sends."""
    return event._data if isinstance(event._data, dict) else {}


def _session(request: gr.Request) -> str:
    return str(request.session_hash)


def _reads(room: Room, library: Library) -> list[Callable[..., Any]]:
    """Functions that the page's script calls, with one value each; they change only the feedback file."""

    def status(model: str | None) -> dict[str, str]:
        return room.status(str(model) if model else None)

    def models(_: None) -> dict[str, Any]:
        return _told(lambda: {"models": room.models()})

    def sources(_: None) -> dict[str, Any]:
        return _told(library.sources)

    def document(document_id: str) -> dict[str, Any]:
        return _told(lambda: library.document(str(document_id)))

    def suggestions(document_id: str | None) -> dict[str, Any]:
        return _told(lambda: library.suggestions(str(document_id) if document_id else None))

    def rate(record: dict[str, Any]) -> dict[str, Any]:
        return _told(lambda: room.feedback(record if isinstance(record, dict) else {}))

    return [status, models, sources, document, suggestions, rate]


def _told(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result, or the one line of a fault that the user can mend."""
    try:
        return read()
    except UserError as error:
        return {"error": str(error)}
