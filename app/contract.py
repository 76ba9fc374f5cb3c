"""Answers and passages as the JSON of the public contract. Pure."""

from collections.abc import Sequence
from typing import Any

from app.answer import Answer, AnswerSentence
from ingest.document import Hit


def answer_json(answer: Answer, question_id: str) -> dict[str, Any]:
    """The object that `ask --json` prints; offsets in characters, times in milliseconds."""
    timings = answer.timings
    return {
        "id": question_id,
        "question": answer.question,
        "query": answer.query,
        "abstained": answer.abstained,
        "sentences": [_sentence(sentence) for sentence in answer.sentences],
        "passages": [passage_json(hit) for hit in answer.passages],
        "model": answer.model,
        "timings": {
            "retrieve_ms": round(timings.retrieve_ms, 1),
            "first_token_ms": None if timings.first_token_ms is None else round(timings.first_token_ms, 1),
            "total_ms": round(timings.total_ms, 1),
        },
    }


def search_json(question_id: str, query: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The object that `search --json` prints: passages, best first."""
    return {"id": question_id, "query": query, "passages": [passage_json(hit) for hit in hits]}


def passage_json(hit: Hit) -> dict[str, Any]:
    """One passage that was found."""
    span = hit.passage.span
    return {
        "document_id": span.document_id,
        "title": hit.metadata.title,
        "start": span.start,
        "end": span.end,
        "text": span.text,
        "score": round(hit.score, 4),
    }


def _sentence(sentence: AnswerSentence) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "verdict": sentence.verdict,
        "citations": [
            {
                "document_id": citation.span.document_id,
                "title": citation.evidence.metadata.title,
                "url": citation.evidence.metadata.url,
                "start": citation.span.start,
                "end": citation.span.end,
                "quote": citation.span.text,
            }
            for citation in sentence.citations
        ],
    }
