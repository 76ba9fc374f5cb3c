"""What the page needs of the road, without Gradio: answers as messages, library, reader, feedback.

A message is a plain dictionary that the page's script shows as it stands; every string in it that
holds HTML comes from `app.render` or `app.typeset`. Nothing here is kept for a user beyond the
questions that are being answered, by browser session.
"""

import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from app import feedback, render
from app.answer import HISTORY, Answer, Event, Finished, Retrieved, Turn, Withdrawn, Writing, Wrote
from ingest import UserError
from ingest.settings import Settings

if TYPE_CHECKING:
    from app.ask import Road

BETWEEN = 0.06  # seconds between two messages while a sentence is being written
HISTORY_CHARACTERS = 2_000  # of each
AT_ONCE = 3  # questions of one browser session being answered at a time
PATIENCE = 2.0  # seconds that work which no one waits for steps aside for a question
LOADED = 5.0  # seconds, at most, that the end waits for libraries that are being loaded
AT_DOORS = 16  # questions of other programs (/v1, /mcp) being answered at a time
UNFORESEEN = "Something went wrong here that was not foreseen. Try again; the log of the server has the details."


class BusyError(UserError):
    """Too much is going on to begin another answer."""


class Room:
    """The road, opened in the background, and the questions that are being answered."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._road: Road | None = None
        self._fault = ""
        self._opened = threading.Event()
        self._warming: threading.Thread | None = None
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], threading.Event] = {}
        self._quiet = threading.Event()
        self._quiet.set()
        self._at_doors = threading.BoundedSemaphore(AT_DOORS)

    def open(self) -> None:
        """Begin to open the road; returns at once, so that the page can be served meanwhile."""
        threading.Thread(target=self._open, name="open-road", daemon=True).start()

    def _open(self) -> None:
        try:
            from app.ask import Road

            self._road = Road.open(self.settings)
            print(self._road.models.describe(), flush=True)
        except UserError as error:
            self._fault = str(error)
            print(error, file=sys.stderr, flush=True)  # the page says it too
        except BaseException:
            self._fault = UNFORESEEN
            raise
        finally:
            self._opened.set()

    def warm(self) -> None:
        """Load what the first question needs, in the background; called once the page is served.

        Earlier it would keep the page waiting: most of loading is Python's own, and one thread runs at a time.
        """
        self._warming = threading.Thread(target=self._warm, name="warm-road", daemon=True)
        self._warming.start()

    def _warm(self) -> None:
        with suppress(UserError):  # told where the road was opened
            self.road.warm()

    def close(self) -> None:
        """End the questions that are being answered, and the model."""
        for cancelled in list(self._running.values()):
            cancelled.set()
        if self._road:
            self._road.models.close()
        if self._warming:  # a library that is cut off while it loads aborts the process
            self._warming.join(LOADED)

    @property
    def road(self) -> "Road":
        """The road, waited for if it is still opening. Raises `UserError` when it cannot open."""
        self._opened.wait()
        if self._road is None:
            raise UserError(self._fault)
        return self._road

    @contextmanager
    def at_door(self) -> Iterator[None]:
        """Held while the question of another program is answered. Raises `BusyError` when too many are."""
        if not self._at_doors.acquire(blocking=False):
            raise BusyError("Too many questions are being answered: try again in a moment.")
        try:
            yield
        finally:
            self._at_doors.release()

    def status(self, model_id: str | None = None) -> dict[str, str]:
        """Of a model (default: the first) `state`: opening, loading, ready or failed; `line`: the same for people."""
        if not self._opened.is_set():
            return {"state": "opening", "line": "Opening the library …"}
        if self._road is None:
            return {"state": "failed", "line": self._fault}
        try:
            model = self._road.models.get(model_id)
        except UserError as error:
            return {"state": "failed", "line": str(error)}
        if model.problem:
            return {"state": "failed", "line": f"No model: {model.problem} Answers will be quotes."}
        if not model.ready:
            return {"state": "loading", "line": f"{model.name} is loading …"}
        return {"state": "ready", "line": self._road.models.describe_one(model_id).removeprefix("Model: ")}

    def models(self) -> list[dict[str, str]]:
        """The models that a question may name, the default first (see `Models.listed`). Raises `UserError`."""
        return self.road.models.listed()

    def ask(self, session: str, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer the question of `asked` for a browser session, as messages; never raises.

        `asked` comes from the browser: `turn` (its id there), `question`, `history` (a list of
        `question` and `answer`), `documents` (ids to ask, or null for all), `model` (an id of
        `models`, or null for the default).
        """
        turn = str(asked.get("turn", ""))[:64]
        message = _empty(turn)
        cancelled = threading.Event()
        try:
            self._begin(session, turn, cancelled)
            road = self.road
            events = road.ask(
                str(asked.get("question", "")),
                _history(asked.get("history")),
                document_ids=_documents(asked.get("documents")),
                model=str(asked["model"]) if asked.get("model") else None,
                cancelled=cancelled,
            )
            for grown in _messages(events, message):
                message = grown  # what is shown when a fault comes stays
                yield message
        except UserError as error:
            yield {**message, "phase": "failed", "error": str(error)}
        except Exception as error:
            # The reader of the page gets a line, the log the cause.
            yield {**message, "phase": "failed", "error": UNFORESEEN}
            raise RuntimeError("a question could not be answered") from error
        finally:
            self._end(session, turn, cancelled)

    @contextmanager
    def stoppable(self, session: str) -> Iterator[threading.Event]:
        """Held while a question of another program is answered; the event is set when its session ends, too."""
        turn, cancelled = secrets.token_hex(8), threading.Event()
        with self._lock:
            self._running[session, turn] = cancelled
            self._quiet.clear()
        try:
            yield cancelled
        finally:
            self._end(session, turn, cancelled)

    def _end(self, session: str, turn: str, cancelled: threading.Event) -> None:
        cancelled.set()
        with self._lock:
            self._running.pop((session, turn), None)
            if not self._running:
                self._quiet.set()

    def _begin(self, session: str, turn: str, cancelled: threading.Event) -> None:
        with self._lock:
            if sum(key[0] == session for key in self._running) >= AT_ONCE:
                raise UserError("Other questions of yours are still being answered: wait, or stop one.")
            self._running[session, turn] = cancelled
            self._quiet.clear()

    def step_aside(self) -> None:
        """Called between two pieces of work that no one waits for: while questions are answered, that is a pause."""
        self._quiet.wait(PATIENCE)

    def stop(self, session: str, turn: str | None = None) -> None:
        """End one question of a browser session, or all of them."""
        with self._lock:
            mine = [event for (who, what), event in self._running.items() if who == session and turn in (None, what)]
        for cancelled in mine:
            cancelled.set()

    def feedback(self, record: dict[str, Any]) -> dict[str, Any]:
        """Keep what a user thought of an answer in feedback.jsonl of INDEX_DIR, on this machine."""
        with self._lock:
            feedback.keep(self.settings.index_dir / "feedback.jsonl", record)
        return {"kept": True}


def _empty(turn: str) -> dict[str, Any]:
    return {
        "turn": turn,
        "phase": "waiting",
        "evidence": "",
        "evidence_title": "",
        "sentences": [],
        "writing": "",
        "end": None,
        "error": "",
    }


def _messages(events: Iterator[Event], message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events folded into one message that grows; a sentence in the making is not sent too often."""
    sent = 0.0
    for event in events:
        if isinstance(event, Retrieved):
            evidence = render.evidence_html(event.query, event.hits, event.evidence)
            title = render.evidence_title(event.hits, event.evidence)
            message = {**message, "phase": "reading", "evidence": evidence, "evidence_title": title}
        elif isinstance(event, Writing):
            message = {**message, "phase": "writing", "writing": render.words_html(event.text)}
            if monotonic() - sent < BETWEEN:
                continue
        elif isinstance(event, Wrote):
            done = [*message["sentences"], render.sentence_html(event.sentence)]
            message = {**message, "phase": "writing", "sentences": done, "writing": ""}
        elif isinstance(event, Withdrawn):
            message = {**message, "sentences": [], "writing": ""}
        elif isinstance(event, Finished):
            message = {**message, **_finished(event.answer)}
        yield message
        sent = monotonic()


def _finished(answer: Answer) -> dict[str, Any]:
    from app.contract import answer_json

    sentences = [render.sentence_html(sentence) for sentence in answer.sentences]
    end = {
        "abstention": render.abstention_html(answer) if answer.abstained else "",
        "notice": render.notice_html(answer),
        "foot": render.foot_text(answer),
        "text": render.answer_text(answer),
        "markdown": render.answer_markdown(answer),
        "json": answer_json(answer, "q1"),
    }
    return {"phase": "done", "sentences": sentences, "writing": "", "end": end}


def _history(given: Any) -> tuple[Turn, ...]:
    """The last turns of what the browser says was said before; anything else than text is left out."""
    turns = [turn for turn in given if isinstance(turn, dict)] if isinstance(given, list) else []
    return tuple(
        Turn(str(turn.get("question", ""))[:HISTORY_CHARACTERS], str(turn.get("answer", ""))[:HISTORY_CHARACTERS])
        for turn in turns[-HISTORY:]
    )


def _documents(given: Any) -> list[str] | None:
    return [str(document_id)[:64] for document_id in given] if isinstance(given, list) else None
