"""What one question uses: tokens over all its requests to a model, and their price (CHAT_PRICE).

A request that is ended early is not counted: its endpoint does not tell.
"""

import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from app.answer import Usage
from app.model import ChatModel
from app.probe import Probe
from app.reply import Piece
from ingest import UserError

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """For a million tokens read and a million written, in whatever currency the setting is meant."""

    read: float
    written: float

    def of(self, usage: Usage) -> float | None:
        """The price of what was used; None when the endpoint did not tell."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        return (usage.prompt_tokens * self.read + usage.completion_tokens * self.written) / _MILLION


def read_prices(setting: str | None, default: str) -> dict[str, Price]:
    """CHAT_PRICE -> prices by model: "0.40,1.60" is for the `default`, "name=2,8; other=1,3" for those named.

    Raises `UserError` when it cannot be read.
    """
    prices = {}
    for entry in filter(None, map(str.strip, (setting or "").split(";"))):
        name, _, numbers = entry.rpartition("=")
        try:
            read, written = map(float, numbers.split(","))
            if not (0 <= read < float("inf") and 0 <= written < float("inf")):
                raise ValueError
        except ValueError:
            raise UserError(
                f"CHAT_PRICE has {entry!r}: write the price of a million tokens read and a million written, as in "
                "0.40,1.60 or gpt-4.1=2,8; gpt-4.1-mini=0.40,1.60."
            ) from None
        prices[name.strip() or default] = Price(read, written)
    return prices


class Metered:
    """A chat model as one question uses it; `usage` sums all its requests. For one thread at a time.

    Setting `cancelled`, from any thread, ends whatever request is under way, and all later ones at once.
    """

    def __init__(self, model: ChatModel, price: Price | None, cancelled: threading.Event | None = None) -> None:
        self._model, self._price, self._cancelled = model, price, cancelled
        self.usage = Usage()
        self._begun = False

    @property
    def name(self) -> str:
        """The model's name for display."""
        return self._model.name

    @property
    def cost(self) -> float | None:
        """The price of `usage`; None where no price is set or nothing was counted."""
        return self._price.of(self.usage) if self._price else None

    @property
    def cancelled(self) -> bool:
        """Has the question been ended?"""
        return self._cancelled is not None and self._cancelled.is_set()

    @property
    def thinks(self) -> bool:
        """Has the model been seen to think before it answers?"""
        return self._model.thinks

    @property
    def believed(self) -> bool | None:
        """May its Yes and No decide (see `app.calibration`)? None while that is not known."""
        return self._model.believed

    @believed.setter
    def believed(self, found: bool) -> None:
        self._model.believed = found

    @property
    def probe(self) -> Probe | None:
        """What tells its view of a request from its first word's logits; None for all models but the packaged one."""
        return self._model.probe

    @property
    def held_to_grammar(self) -> bool:
        """Can it be made to answer by a grammar, and tells how likely it would have declined? Raises `ModelError`.

        A grammar without log-probabilities is not used: the model would answer whatever it was asked.
        """
        found = self._model.capabilities(self._cancelled)
        return found.grammar and found.logprobs

    @property
    def held_to_schema(self) -> bool:
        """Can it be made to answer by a JSON schema? Raises `ModelError`."""
        return self._model.capabilities(self._cancelled).json_schema

    @property
    def context_tokens(self) -> int | None:
        """Tokens that it reads and writes in one request; None when it does not tell. Raises `ModelError`."""
        return self._model.capabilities(self._cancelled).context_tokens

    def stream(self, messages: list[dict[str, str]], **options: Any) -> Generator[Piece, None, None]:
        """As `ChatModel.stream`."""
        pieces: Any = self._model.stream(messages, **self._turn(), **options)
        with closing(pieces):
            for piece in pieces:
                self._count(piece.usage)
                yield piece

    def complete(self, messages: list[dict[str, str]], **options: Any) -> Piece:
        """As `ChatModel.complete`."""
        piece = self._model.complete(messages, **self._turn(), **options)
        self._count(piece.usage)
        return piece

    def _turn(self) -> dict[str, Any]:
        """The question waits in the line of those who ask with its first request alone."""
        begun, self._begun = self._begun, True
        return {"begun": begun, "cancelled": self._cancelled}

    def _count(self, usage: Usage | None) -> None:
        if usage:
            read = (self.usage.prompt_tokens or 0) + (usage.prompt_tokens or 0)
            written = (self.usage.completion_tokens or 0) + (usage.completion_tokens or 0)
            self.usage = Usage(read, written)
