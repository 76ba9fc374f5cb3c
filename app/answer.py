"""Evidence, Citation, AnswerSentence, Answer, and the events of the road of a question.

Every front end (page, command line, API, evaluation) folds the same events.
Knows nothing of how an answer comes about.
"""

from dataclasses import dataclass
from typing import Literal

from ingest.document import Hit, Metadata, Span

Verdict = Literal["supported", "unsupported"]
HISTORY = 6  # earlier turns that are taken as context
NEIGHBOUR_CHARACTERS = 5  # white space that may lie between a sentence and the one before it


@dataclass(frozen=True)
class Evidence:
    """One numbered sentence given to the model; `number` counts from 1 within a question.

    `relevance` is how well it fits the query, from 0 to 1.
    """

    number: int
    span: Span
    metadata: Metadata
    relevance: float

    def follows(self, other: "Evidence") -> bool:
        """Is it the next sentence of the same paragraph?"""
        gap = self.span.start - other.span.end
        return self.span.document_id == other.span.document_id and 0 <= gap <= NEIGHBOUR_CHARACTERS


@dataclass(frozen=True)
class Citation:
    """A span of a stored document that supports an answer sentence; made from `Evidence` alone."""

    evidence: Evidence

    @property
    def span(self) -> Span:
        """The stored characters: `document.text[start:end] == span.text`."""
        return self.evidence.span


@dataclass(frozen=True)
class AnswerSentence:
    """One sentence of an answer with its verdict.

    `support` is the checker's probability, from 0 to 1, that the cited spans say it; `why`
    is a short reason when unsupported ("" when supported). `quoted` is true when the text
    is itself the cited span (no model wrote it).
    """

    text: str
    citations: tuple[Citation, ...]
    verdict: Verdict
    support: float
    why: str = ""
    quoted: bool = False

    @property
    def written(self) -> str:
        """The text as one writes it: a quotation in its marks."""
        return f"“{self.text}”" if self.quoted else self.text


@dataclass(frozen=True)
class Timings:
    """Milliseconds from the question: passages found, first token of the model, the end."""

    retrieve_ms: float
    first_token_ms: float | None
    total_ms: float


@dataclass(frozen=True)
class Usage:
    """Tokens that the model read and wrote for an answer, over all its requests, where the endpoint tells."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Answer:
    """A finished answer, or an abstention (`abstained`, no sentences) with the nearest passages.

    `model` names who wrote it, None when no model did (the sentences are then quotes).
    `cost` is the price of `usage` by CHAT_PRICE, None where no price is set or nothing was counted.
    `notice` is a plain line for the user about what went wrong or is different ("" if nothing):
    a failed endpoint, a cut stream, a stop.
    """

    question: str
    query: str
    sentences: tuple[AnswerSentence, ...]
    passages: tuple[Hit, ...]
    abstained: bool
    model: str | None
    timings: Timings
    usage: Usage = Usage()
    cost: float | None = None
    notice: str = ""


@dataclass(frozen=True)
class Retrieved:
    """First event: the query used and the passages found, best first.

    The next one replaces it: their final order, and the evidence cut from them. A query that is
    rewritten brings a third.
    """

    query: str
    hits: tuple[Hit, ...]
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Writing:
    """The sentence being written, whole so far, not yet checked; replaces the one before it."""

    text: str


@dataclass(frozen=True)
class Wrote:
    """A sentence is complete and checked; what `Writing` showed is replaced by it."""

    sentence: AnswerSentence


@dataclass(frozen=True)
class Withdrawn:
    """All sentences so far were the model's thinking, which it did not mark at its beginning: the answer begins now."""


@dataclass(frozen=True)
class Finished:
    """Last event: the whole answer."""

    answer: Answer


Event = Retrieved | Writing | Wrote | Withdrawn | Finished


@dataclass(frozen=True)
class Turn:
    """An earlier question and its answer (plain text, "" when it was an abstention), as context."""

    question: str
    answer: str
