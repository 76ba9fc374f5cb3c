"""What other programs ask of the library, as the JSON of the contract: `search`, `ask` and `read`.

The MCP door and the Gradio API are these functions; faults are `UserError`. Nothing is written.
"""

import threading
from typing import Any

from app.answer import Answer, Finished
from app.contract import answer_json, search_json
from app.room import Room

MOST_PASSAGES = 50
READ_CHARACTERS = 20_000  # of an article at a time


def search(room: Room, query: str, k: int, documents: list[str] | None) -> dict[str, Any]:
    """Passages for a query, best first, at most `k` (1 to 50); of `documents` only, when ids are given."""
    from app.ask import checked_question
    from app.retrieve import retrieve

    asked = checked_question(query)
    hits = retrieve(room.road.store, asked, k=min(max(k, 1), MOST_PASSAGES), document_ids=documents)
    return search_json("q1", asked, hits)


def ask(
    room: Room, question: str, documents: list[str] | None, cancelled: threading.Event | None = None
) -> dict[str, Any]:
    """The answer to a question: sentences, each with its verdict and citations, or an abstention; and its `notice`."""
    with room.at_door():
        for event in room.road.ask(question, document_ids=documents, cancelled=cancelled):
            if isinstance(event, Finished):
                return _told(event.answer)
    raise RuntimeError("the road ended without an answer")


def read(room: Room, document_id: str, start: int, end: int | None) -> dict[str, Any]:
    """The text of one article from `start` to `end` (characters; at most 20,000); without an id, the list of all."""
    catalog = room.road.store.catalog
    if not document_id:
        return {"documents": [_listed(row) for row in catalog.documents()]}
    document = catalog.document(document_id)
    first = min(max(start, 0), len(document.text))
    last = max(first, min(len(document.text), first + READ_CHARACTERS, len(document.text) if end is None else end))
    metadata = document.metadata
    return {
        "document_id": document.document_id,
        "title": metadata.title,
        "author": metadata.author,
        "published": metadata.published,
        "url": metadata.url,
        "characters": len(document.text),
        "start": first,
        "end": last,
        "text": document.text[first:last],
    }


def _told(answer: Answer) -> dict[str, Any]:
    """The contract's object with what the command line says beside it.

    `notice`: what went wrong or is different, "" if nothing; `quoted` of each sentence: is it the source's own words?
    """
    told = {**answer_json(answer, "q1"), "notice": answer.notice}
    for shown, sentence in zip(told["sentences"], answer.sentences, strict=True):
        shown["quoted"] = sentence.quoted
    return told


def _listed(row: Any) -> dict[str, Any]:
    return {"document_id": row.document_id, "title": row.metadata.title, "passages": row.passages}
