"""Question and conversation -> passages, then the evidence: with a rewritten query too, where one is needed.

Ends as soon as the reader stops it. Knows nothing of answers.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from app.answer import Evidence, Retrieved, Turn
from app.draft import Draft
from app.evidence import Conversations, continued, conversation, select_evidence
from app.followup import leans, standalone, with_context
from app.retrieve import Search, search
from ingest.document import Hit
from ingest.embed_endpoint import EmbedderError
from ingest.store import Store

PASSAGES = 8
WORDS_ALONE = "The passages were found by words alone, not by meaning. {fault}"
LOOK = 0.05  # seconds between two looks at whether a question has been stopped

Result = TypeVar("Result")
# Kept, since each thread has a connection of its own to the catalog; none is started before it is needed.
_threads = ThreadPoolExecutor(max_workers=64, thread_name_prefix="look-up")


def look_up(
    store: Store,
    conversations: Conversations,
    draft: Draft,
    history: Sequence[Turn],
    document_ids: Sequence[str] | None,
) -> Iterator[Retrieved]:
    """Passages at once, then ranked by their sentences, with the evidence; all of it is kept in `draft`.

    The same with the rewritten query for a question that leans on the conversation; what is there stays shown.
    An endpoint that failed to embed is not waited for again: all else of the question is found by words.
    """
    store.refresh()
    question, asked = draft.question, [turn.question.strip() for turn in history]
    before = conversations.get(conversation(asked, document_ids))
    sources = _Sources(store, document_ids, draft.cancelled)
    follows = leans(question, history)
    queries = [with_context(question, history)] if follows else [question]
    for query in queries:
        draft.query = query
        found = sources.search(query)
        if found and not draft.retrieved:
            passages = Retrieved(query, tuple(found.first(PASSAGES)))
            draft.retrieved = perf_counter()
            yield passages
        read = found and sources.read(found)
        if not read:  # stopped
            break
        draft.hits, evidence = read
        draft.notice = WORDS_ALONE.format(fault=sources.fault) if sources.fault else ""
        draft.evidence = continued(store, before, evidence)
        yield Retrieved(query, draft.hits, draft.evidence)
        if follows and len(queries) == 1:
            queries.extend({standalone(question, history, draft.chat)} - {query})
    else:
        conversations.keep(conversation([*asked, question], document_ids), draft.evidence)


@dataclass
class _Sources:
    """The sources that one question is put to. `fault`: why the endpoint that embeds failed, once it has."""

    store: Store
    document_ids: Sequence[str] | None
    cancelled: threading.Event
    fault: str = ""

    def search(self, query: str) -> Search | None:
        """As `app.retrieve.search`; None when the reader stops it."""
        found = _unless(
            self.cancelled,
            lambda: search(self.store, query, k=PASSAGES, document_ids=self.document_ids, fault=self.fault),
        )
        self.fault = found.query.fault if found else self.fault
        return found

    def read(self, found: Search) -> tuple[tuple[Hit, ...], tuple[Evidence, ...]] | None:
        """The passages by their sentences, and the evidence in them; None when the reader stops it."""
        try:
            return _unless(self.cancelled, lambda: _read(found))
        except EmbedderError as error:
            self.fault = str(error)
        again = self.search(found.query.text)
        return _unless(self.cancelled, lambda: _read(again)) if again else None


def _read(found: Search) -> tuple[tuple[Hit, ...], tuple[Evidence, ...]]:
    hits = tuple(found.read(PASSAGES))
    return hits, select_evidence(found.query, hits)


def _unless(cancelled: threading.Event, work: Callable[[], Result]) -> Result | None:
    """What `work` gives; None once `cancelled` is set, which does not wait for an endpoint that hangs."""
    if cancelled.is_set():
        return None
    done = _threads.submit(work)
    while not wait([done], LOOK).done:
        if cancelled.is_set():
            done.cancel()
            return None
    return done.result()
