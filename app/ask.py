"""The road of a question: one generator of events, folded by every front end.

question + history -> query -> passages -> evidence (shown) -> model -> checked sentences -> answer.
Knows nothing of pages, terminals or JSON.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from app import prompt, structured
from app.abstention import Gate, about_the_whole, has_a_say
from app.answer import (
    AnswerSentence,
    Citation,
    Event,
    Evidence,
    Finished,
    Turn,
    Writing,
)
from app.calibration import believed
from app.check import Checker, Session
from app.confirm import beginning
from app.draft import Draft
from app.emptiness import empty
from app.evidence import Conversations, select_evidence
from app.faults import ModelError
from app.followup import opening
from app.gates import answered, fit, worth_asking
from app.lookup import PASSAGES, look_up
from app.meter import Metered
from app.model import ChatModel
from app.models import Models, open_models
from app.quotes import passed_over, pointed_to, untold, with_what_they_lean_on
from app.relevance import Query, embed_cached, packaged
from app.reply import LIKELIEST, Piece
from app.retrieve import retrieve, search
from ingest import UserError
from ingest.document import Span
from ingest.embed import LocalEmbedder
from ingest.settings import Settings
from ingest.store import Store

QUESTION_CHARACTERS = 2000
QUOTES = 3

NO_MODEL = "No model wrote this answer: these are the sources' own sentences that fit the question best."
QUOTED_INSTEAD = "No source bears out the model's own words, so the sources' own sentences are quoted."
STOPPED = "Stopped: the answer is not complete."
CUT = "The endpoint ended the reply before its end: the answer may not be complete."


@dataclass(frozen=True)
class Road:
    """What a question needs: the store, the chat models and the checker; safe to use from several threads."""

    store: Store
    models: Models
    checker: Checker
    conversations: Conversations = field(default_factory=Conversations)
    gate: Gate = field(default_factory=Gate)

    @property
    def model(self) -> ChatModel:
        """The default model."""
        return self.models.default

    def close(self) -> None:
        """Stop the models and let go of the store."""
        self.models.close()
        self.store.close()

    @classmethod
    def open(cls, settings: Settings) -> "Road":
        """Open the store and begin to load the model in the background. Raises `UserError`."""
        store = Store.open(settings)
        # The checker's coefficients hold for the vectors of the model in this process, whoever makes the index's.
        own = store.embedder if isinstance(store.embedder, LocalEmbedder) else packaged()
        return cls(store, open_models(settings), Checker(partial(embed_cached, own)))

    def warm(self) -> None:
        """Before a question comes, open the index, and have an embedded default model read what requests begin with.

        It is then found out whether it is to be believed.
        Returns when the index is open; the model reads on. Not for who asks at once: the question's own
        reading would then share the processor with this.
        """
        self.model.warm(prompt.talk(), beginning(), opening(), then=partial(believed, self.models.metered()))
        self._open_index()

    def _open_index(self) -> None:
        # Whoever asks is told of a fault; the interpreter that ends meanwhile lets no library start threads.
        with suppress(UserError, RuntimeError):
            search(self.store, "What is said?").read(1)

    def ask(
        self,
        question: str,
        history: Sequence[Turn] = (),
        *,
        document_ids: Sequence[str] | None = None,
        model: str | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Answer one question; the events are those of `app.answer`, `Finished` last.

        `document_ids` restricts the sources; `model` is the id of one of `models` (default: the first).
        Setting `cancelled`, from any thread, ends the writing: what stands by then is the answer, with
        a notice. Closing the iterator gives up at once. Raises `UserError` for a question that is empty
        or longer than QUESTION_CHARACTERS, and for an unknown model. A model that fails is no error
        here: the answer then says so.
        """
        cancelled = cancelled or threading.Event()
        draft = Draft(checked_question(question), self.models.metered(model, cancelled), cancelled)
        history = [Turn(_whole(turn.question), _whole(turn.answer)) for turn in history]
        yield from self.retrieve(draft, history, document_ids)
        if draft.evidence:
            yield from self._write(draft)
        if draft.stopped:
            draft.note(STOPPED)
        elif draft.cut and draft.sentences and not draft.refused:
            draft.note(CUT)
        yield Finished(draft.answer())

    def retrieve(self, draft: Draft, history: Sequence[Turn], document_ids: Sequence[str] | None) -> Iterator[Event]:
        """Passages at once, then ranked by their sentences, with the evidence (see `app.lookup`)."""
        yield from look_up(self.store, self.conversations, draft, history, document_ids)

    def _write(self, draft: Draft) -> Iterator[Event]:
        session = self.checker.start(draft.query, draft.evidence)
        related = worth_asking(fit(draft.query, draft.evidence, session))
        if not (related or about_the_whole(draft)):
            return
        try:
            yield from self.sentences(draft, session)
            yield from self.complete(draft)
        except ModelError as error:
            draft.note(str(error))
            draft.failed = True
        yield from draft.tell()  # what had been written when it broke off stands, and is marked like all else
        if draft.failed and not draft.sentences and not draft.stopped:
            best = sorted(draft.evidence, key=lambda item: -item.relevance)[:QUOTES]
            yield from self._quote(draft, best, NO_MODEL)

    def sentences(self, draft: Draft, session: Session) -> Iterator[Event]:
        """The model's sentences, each checked as it ends, told once one is borne out and has passed the gate."""
        parser = prompt.ReplyParser(draft.evidence)
        with closing(self._reply(draft)) as pieces:
            try:
                for piece in pieces:
                    if piece.restart:
                        parser = prompt.ReplyParser(draft.evidence)
                        yield from draft.restart()
                    draft.cut = piece.finish_reason in ("length", "content_filter")
                    draft.hear(piece)
                    if piece.text:
                        draft.first_token = draft.first_token or perf_counter()
                        draft.add(session, parser.feed(piece.text))
                    yield from self._passed(draft)
                    if draft.refused:
                        return
                    if piece.text and parser.writing:
                        yield Writing(parser.writing)
            except ModelError:
                draft.add(session, parser.close())
                raise
        draft.model = draft.chat.name if draft.first_token else draft.model
        draft.add(session, parser.close())
        yield from self._passed(draft)

    def _reply(self, draft: Draft) -> Generator[Piece, None, None]:
        """The model's reply to as much of the evidence as it can read."""
        fitting = structured.fitting if _in_json(draft.chat) else prompt.fitting
        evidence = fitting(draft.query, draft.evidence, draft.chat.context_tokens)
        while True:
            try:
                return (yield from _request(draft, evidence))
            except ModelError as error:
                if error.kind != "context" or error.partial or len(evidence) == 1:
                    raise
            evidence = prompt.best(evidence, len(evidence) // 2)

    def _passed(self, draft: Draft) -> Iterator[Event]:
        """What may be told by now; refuses an answer that does not pass the gate."""
        if not draft.open and answered(draft.sentences):
            self._gate(draft)
        elif not draft.open and self.gate.hopeless(draft) and not draft.cancelled.is_set():
            draft.refuse()
        if draft.open:
            yield from draft.tell()

    def _gate(self, draft: Draft) -> None:
        """Open the draft or refuse it; neither once it is stopped, for a request cut short says nothing."""
        stands = self.gate.stands(draft)
        if draft.cancelled.is_set():
            return
        if stands:
            draft.open = True
        else:
            draft.refuse()

    def complete(self, draft: Draft) -> Iterator[Event]:
        """What the answer leaves untold, quoted; for words that failed the check, where they point."""
        if draft.cancelled.is_set() or draft.refused:
            return
        if draft.sentences:
            besides = passed_over(draft.query, draft.sentences, draft.evidence)
            if answered(draft.sentences):
                yield from self._quote(draft, (*untold(draft.query, draft.sentences), *besides))
            else:
                yield from self._instead(draft, (*pointed_to(draft.sentences), *besides))
        draft.ended = not draft.cancelled.is_set() or draft.open

    def _instead(self, draft: Draft, quotes: Sequence[Evidence]) -> Iterator[Event]:
        """Quotations for words that no source bears out, where the gate lets them pass."""
        weighed = has_a_say(draft)
        if draft.cancelled.is_set():
            return None
        if not quotes or not weighed:
            return draft.refuse()
        self._gate(draft)
        if draft.open:
            draft.sentences = [one for one in draft.sentences if not empty(one.text, draft.query)]
            yield from self._quote(draft, quotes, QUOTED_INSTEAD)

    def _quote(self, draft: Draft, chosen: Sequence[Evidence], notice: str = "") -> Iterator[Event]:
        """Evidence sentences, quoted, and why."""
        quotes = with_what_they_lean_on(chosen, draft.evidence)
        for item in sorted(quotes, key=lambda item: item.number):
            draft.sentences.append(AnswerSentence(item.span.text, (Citation(item),), "supported", 1.0, quoted=True))
        yield from draft.tell()
        draft.note(notice)


def _request(draft: Draft, evidence: Sequence[Evidence]) -> Generator[Piece, None, None]:
    """One request: held to what the endpoint knows, so that only numbers of the evidence can come."""
    chat = draft.chat
    if _in_json(chat):
        asked, schema = structured.messages(draft.query, evidence), structured.schema(evidence)
        reply = chat.stream(asked, max_tokens=structured.REPLY_TOKENS, json_schema=schema)
        return structured.lines(reply)
    asked = prompt.messages(draft.query, evidence)
    if not chat.held_to_grammar:
        return chat.stream(asked, max_tokens=prompt.ANSWER_TOKENS)
    if chat.probe:
        lines = prompt.grammar(evidence, yes=False)
        probing = {"tokens": chat.probe.tokens, "begins": prompt.BEGINS}
        return chat.stream(asked, max_tokens=prompt.ANSWER_TOKENS, grammar=lines, **probing)
    return chat.stream(asked, max_tokens=prompt.ANSWER_TOKENS, grammar=prompt.grammar(evidence), logprobs=LIKELIEST)


def _in_json(chat: Metered) -> bool:
    """Is it to reply in JSON? Raises `ModelError`."""
    return not chat.held_to_grammar and chat.held_to_schema


def finds(store: Store, question: str, sentence: Span) -> bool:
    """Whether `sentence` is among the evidence that the question brings up in its own document."""
    hits = retrieve(store, question, k=PASSAGES, document_ids=[sentence.document_id])
    return any(one.span == sentence for one in select_evidence(Query.read(store, question), hits))


def checked_question(question: str) -> str:
    """The question without white space around it; raises `UserError` when it is empty or too long."""
    question = _whole(question).strip()
    if not question:
        raise UserError("The question is empty: type a question.")
    if len(question) > QUESTION_CHARACTERS:
        raise UserError(
            f"The question has {len(question):,} characters; at most {QUESTION_CHARACTERS:,} are taken. Shorten it, "
            "or add the long text as a source and ask about it."
        )
    return question


def _whole(text: str) -> str:
    """The text without half characters, which JSON may hold and nothing else does."""
    return text.encode("utf-8", "replace").decode()
