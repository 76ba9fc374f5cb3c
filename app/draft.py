"""An answer in the making: what one question has come to so far.

Knows nothing of where passages come from, and asks no model.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

from app import prompt
from app.answer import Answer, AnswerSentence, Event, Evidence, Timings, Withdrawn, Wrote
from app.check import Session
from app.gates import answered
from app.meter import Metered
from app.reply import Piece
from ingest.document import Hit


@dataclass
class Draft:
    """An answer in the making.

    `holds`: log-odds, in the model's view, that the evidence holds the answer; None where the endpoint does not tell.
    `believed`: whether that counts (`app.calibration`), None while no one has asked.
    `open`: its sentences may be told as they come. `told`: how many of them have been told. `ended`: all is there,
    also what is quoted. `cut`: the endpoint ended the reply at its longest, or by a filter.
    """

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
    holds: float | None = None
    believed: bool | None = None
    open: bool = False
    refused: bool = False
    ended: bool = False
    cut: bool = False
    told: int = 0
    started: float = field(default_factory=perf_counter)
    retrieved: float = 0.0
    first_token: float = 0.0

    def add(self, session: Session, claims: list[prompt.Claim]) -> None:
        """Check what the model has written, each sentence once."""
        for claim in claims:
            if all(claim.text != sentence.text for sentence in self.sentences):
                self.sentences.append(session.check(claim.text, claim.numbers))
            self.model = self.chat.name

    def hear(self, piece: Piece) -> None:
        """Take note of what a piece of the reply tells of the model's view of the evidence."""
        if piece.shares and self.chat.probe:
            self.holds = self.chat.probe.log_odds("holds", piece.shares)
        elif piece.logprobs and not self.chat.probe:
            self.holds = piece.log_odds("yes", "no")

    def restart(self) -> Iterator[Event]:
        """All that was written was thinking: the answer begins anew, before a gate that is closed again.

        What a probe told stays, for that is told of the request, not of the reply.
        """
        if self.told:
            yield Withdrawn()
        self.sentences, self.told, self.open, self.cut = [], 0, False, False
        self.model = None
        self.holds = self.holds if self.chat.probe else None

    def refuse(self) -> None:
        """The sources do not hold the answer: nothing is told."""
        self.refused, self.model = True, self.chat.name

    def note(self, notice: str) -> None:
        """Say this of the answer, after what has been said of it."""
        self.notice = f"{self.notice} {notice}".strip()

    @property
    def stopped(self) -> bool:
        """Did the reader stop it before all was there?"""
        return self.cancelled.is_set() and not (self.ended or self.refused)

    def tell(self) -> Iterator[Event]:
        """Tell the sentences that have not been told; of a refused answer none."""
        while self.told < len(self.sentences) and not self.refused:
            self.told += 1
            yield Wrote(self.sentences[self.told - 1])

    def answer(self) -> Answer:
        """What the sources bear out: an abstention when no sentence does, unless the writing broke off."""
        broken = self.stopped or self.failed
        abstained = self.refused or not (answered(self.sentences) or broken)
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
