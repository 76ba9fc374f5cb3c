"""The road of a question: one generator of events, folded by every front end.

question + history -> query -> passages -> evidence (shown) -> model -> checked sentences -> answer.
Knows nothing of pages, terminals or JSON.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import perf_counter

from app import prompt
from app.answer import (
    Answer,
    AnswerSentence,
    Citation,
    Event,
    Evidence,
    Finished,
    Retrieved,
    Timings,
    Turn,
    Writing,
    Wrote,
)
from app.check import Checker, Session
from app.evidence import Conversations, continued, select_evidence
from app.faults import ModelError
from app.followup import leans, opening, standalone, with_context
from app.gates import answerable, answered, asks_for_the_whole, fit, missing, sure, worth_asking
from app.meter import Metered
from app.model import ChatModel
from app.models import Models, open_models
from app.quotes import pointed_to, untold
from app.retrieve import retrieve, search
from ingest import UserError
from ingest.document import Hit, Span
from ingest.settings import Settings
from ingest.store import Store

QUESTION_CHARACTERS = 2000
PASSAGES = 8
QUOTES = 3

NO_MODEL = "No model wrote this answer: these are the sources' own sentences that fit the question best."
QUOTED_INSTEAD = "No source bears out the model's own words, so the sentences that it pointed to are quoted."
STOPPED = "Stopped: the answer is not complete."


@dataclass(frozen=True)
class Road:
    """What a question needs: the store, the chat models and the checker; safe to use from several threads."""

    store: Store
    models: Models
    checker: Checker
    conversations: Conversations = field(default_factory=Conversations)

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
        return cls(store, open_models(settings), Checker(store.embedder.embed))

    def warm(self) -> None:
        """Before a question comes, open the index, and have an embedded default model read what requests begin with.

        Not for who asks at once: the question's own reading would then share the processor with this.
        """
        threading.Thread(target=self._open_index, name="warm-index", daemon=True).start()
        self.model.warm(prompt.talk(), opening())

    def _open_index(self) -> None:
        with suppress(UserError):  # whoever asks is told of it
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
        yield from self.retrieve(draft, draft.question, history, document_ids)
        if draft.evidence:
            yield from self._write(draft)
        yield Finished(draft.answer())

    def retrieve(
        self, draft: "Draft", question: str, history: Sequence[Turn], document_ids: Sequence[str] | None
    ) -> Iterator[Event]:
        """Passages at once, then ranked by their sentences, with the evidence.

        The same with the rewritten query for a question that leans on the conversation; what is there stays shown.
        """
        self.store.refresh()
        follows = leans(question, history)
        queries = [with_context(question, history)] if follows else [question]
        asked, among = tuple(turn.question.strip() for turn in history), tuple(document_ids or ())
        before = self.conversations.get((asked, among))
        for query in queries:
            draft.query = query
            found = search(self.store, query, k=PASSAGES, document_ids=document_ids)
            if not draft.retrieved:
                passages = Retrieved(query, tuple(found.first(PASSAGES)))
                draft.retrieved = perf_counter()
                yield passages
            draft.hits = tuple(found.read(PASSAGES))
            draft.evidence = continued(before, select_evidence(self.store, query, draft.hits), draft.hits)
            yield Retrieved(query, draft.hits, draft.evidence)
            if follows and len(queries) == 1:
                queries.append(standalone(question, history, draft.chat))
        self.conversations.keep(((*asked, question), among), draft.evidence)

    def _write(self, draft: "Draft") -> Iterator[Event]:
        session = self.checker.start(draft.query, draft.evidence)
        found = fit(draft.query, draft.evidence, session)
        if not worth_asking(found):
            return
        try:
            if draft.chat.held_to_grammar:
                found = replace(found, missing=missing(draft.chat, draft.query, draft.evidence))
                if not (answerable(found) or asks_for_the_whole(draft.query) or draft.cancelled.is_set()):
                    draft.model = draft.chat.name
                    return
            yield from self.sentences(draft, session)
            if not draft.cancelled.is_set():
                yield from self._complete(draft, sure(found))
        except ModelError as error:
            draft.notice, draft.failed = str(error), True
        if draft.cancelled.is_set():
            draft.notice = STOPPED
        if not draft.sentences and draft.notice and not draft.cancelled.is_set():
            best = sorted(draft.evidence, key=lambda item: -item.relevance)[:QUOTES]
            yield from self._quote(draft, best, NO_MODEL)

    def sentences(self, draft: "Draft", session: Session) -> Iterator[Event]:
        """The model's sentences, each checked as it ends."""
        parser = prompt.ReplyParser(draft.evidence)
        pieces = draft.chat.stream(
            prompt.messages(draft.query, draft.evidence),
            max_tokens=prompt.ANSWER_TOKENS,
            grammar=prompt.grammar(draft.evidence),
        )
        try:
            for piece in pieces:
                if piece.text:
                    draft.first_token = draft.first_token or perf_counter()
                    yield from self._settled(draft, session, parser.feed(piece.text))
                    if parser.writing:
                        yield Writing(parser.writing)
        except ModelError:
            # What had been written when it broke off stands, and is marked like all else.
            yield from self._settled(draft, session, parser.close())
            raise
        draft.model = draft.chat.name
        yield from self._settled(draft, session, parser.close())

    def _complete(self, draft: "Draft", sure: bool) -> Iterator[Event]:
        """What the answer leaves untold; for words that failed the check, where they point if the model was `sure`."""
        if answered(draft.sentences):
            yield from self._quote(draft, untold(draft.query, draft.sentences))
        elif sure:
            yield from self._quote(draft, pointed_to(draft.sentences), QUOTED_INSTEAD)

    def _settled(self, draft: "Draft", session: Session, claims: list[prompt.Claim]) -> Iterator[Event]:
        for claim in claims:
            if any(claim.text == sentence.text for sentence in draft.sentences):
                continue
            draft.model = draft.chat.name
            draft.sentences.append(session.check(claim.text, claim.numbers))
            yield Wrote(draft.sentences[-1])

    def _quote(self, draft: "Draft", chosen: Sequence[Evidence], notice: str = "") -> Iterator[Event]:
        """Evidence sentences, quoted, and why."""
        for item in sorted(chosen, key=lambda item: item.number):
            quote = AnswerSentence(item.span.text, (Citation(item),), "supported", 1.0, quoted=True)
            draft.sentences.append(quote)
            yield Wrote(quote)
        draft.notice = f"{draft.notice} {notice}".strip()


@dataclass
class Draft:
    """An answer in the making."""

    question: str
    chat: Metered
    cancelled: threading.Event
    query: str = ""
    hits: tuple[Hit, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    sentences: list[AnswerSentence] = field(default_factory=list)
    model: str | None = None
    notice: str = ""
    failed: bool = False
    started: float = field(default_factory=perf_counter)
    retrieved: float = 0.0
    first_token: float = 0.0

    def answer(self) -> Answer:
        """What the sources bear out: an abstention when no sentence does, unless the writing broke off."""
        held = answered(self.sentences)
        abstained = not held and not self.cancelled.is_set() and not self.failed
        return Answer(
            question=self.question,
            query=self.query,
            sentences=() if abstained else tuple(self.sentences),
            passages=self.hits,
            abstained=abstained,
            model=self.model,
            timings=self._timings(),
            usage=self.chat.usage,
            cost=self.chat.cost,
            notice=self.notice,
        )

    def _timings(self) -> Timings:
        first = 1000 * (self.first_token - self.started) if self.first_token else None
        retrieved = 1000 * ((self.retrieved or perf_counter()) - self.started)
        return Timings(retrieved, first, 1000 * (perf_counter() - self.started))


def finds(store: Store, question: str, sentence: Span) -> bool:
    """Whether `sentence` is among the evidence that the question brings up in its own document."""
    hits = retrieve(store, question, k=PASSAGES, document_ids=[sentence.document_id])
    return any(one.span == sentence for one in select_evidence(store, question, hits))


def checked_question(question: str) -> str:
    """The question without white space around it; raises `UserError` when it is empty or too long."""
    question = question.encode("utf-8", "replace").decode().strip()  # JSON may hold half a character
    if not question:
        raise UserError("The question is empty: type a question.")
    if len(question) > QUESTION_CHARACTERS:
        raise UserError(
            f"The question has {len(question):,} characters; at most {QUESTION_CHARACTERS:,} are taken. Shorten it, "
            "or add the long text as a source and ask about it."
        )
    return question
