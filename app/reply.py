"""Chunks of a chat completion -> pieces of visible text, or the error that tells how it fell short."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import httpx
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta

from app.answer import Usage
from app.faults import CHECK_URL, ModelError, clip
from app.markup import ThinkingFilter

LIKELIEST = 20  # first words whose log-probabilities are asked for: as many as OpenAI's API gives
NEVER = 1e-4  # the probability taken for a word that is not among them


@dataclass(frozen=True)
class Piece:
    """A piece of an answer as it is written.

    `logprobs` (first piece with text, if asked for): the likeliest first tokens with their natural
    logarithms of probability. `shares` (of a piece of its own, before the text, if asked for): how likely each of
    some tokens, by id, was to be the next among themselves. The last piece has no text, but `finish_reason`
    ("stop", "length", "cancelled", ...) and `usage`. With `restart`, all text of the pieces before it was thinking.
    """

    text: str = ""
    logprobs: tuple[tuple[str, float], ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    restart: bool = False
    shares: tuple[tuple[int, float], ...] = ()

    def log_odds(self, word: str, other: str) -> float | None:
        """Log-odds that the first word is `word` rather than `other`, in any spelling; None when it is neither.

        Where no log-probabilities came with it, the text itself decides.
        """
        shares = [(token, math.exp(logprob)) for token, logprob in self.logprobs] or [(self.text, 1.0)]
        one, two = _share(shares, word), _share(shares, other)
        return math.log((one + NEVER) / (two + NEVER)) if one or two else None


def _usage(told: Any) -> Usage:
    return Usage(getattr(told, "prompt_tokens", None), getattr(told, "completion_tokens", None))


def _share(shares: Sequence[tuple[str, float]], word: str) -> float:
    return sum(share for token, share in shares if token.strip(" .\n").casefold() == word)


class Reply:
    """Chunks of one reply -> pieces; knows whether it began, thought and ended properly."""

    def __init__(self, where: str, thinking: bool = False) -> None:
        """`thinking`: the endpoint's replies are known to begin in the middle of it, without a tag."""
        self.begun = False
        self.whole = False  # it came at once, not as a stream
        self.thought_unseen = False  # OpenAI counts a model's thinking, but does not send it
        self._where = where
        self._filter = ThinkingFilter(thinking)
        self._thought = self._given = False
        self._logprobs: tuple[tuple[str, float], ...] = ()
        self._usage: Usage | None = None
        self._finish: str | None = None

    @property
    def began_with_text(self) -> bool:
        """Was it, whole as it is, taken for thinking by mistake?"""
        return self._finish == "stop" and self._filter.mistaken

    def check_type(self, response: httpx.Response) -> None:
        """Raise `ModelError` when the reply is no event stream, such as a web page."""
        kind = response.headers.get("content-type", "") or "no type"
        if "event-stream" not in kind:
            text = f"{self._where} did not stream its reply (it sent {kind}). {CHECK_URL}"
            raise ModelError("wrong_json", text)

    def take_whole(self, completion: dict[str, Any]) -> Piece:
        """The visible text of a reply that was not streamed. Raises as `take`, `ModelError` when it is an error."""
        if isinstance(error := completion.get("error"), dict):
            said = clip(str(error.get("message", error)))
            raise ModelError("server", f"{self._where} reported an error: {said}. Ask again.")
        self.whole = True
        told = ChatCompletion.model_validate(completion)
        choice = told.choices[0]
        delta = ChoiceDelta(content=choice.message.content)
        chunk = Choice(index=0, delta=delta, finish_reason=choice.finish_reason)
        return self.take(SimpleNamespace(choices=[chunk], usage=told.usage))

    def take(self, chunk: Any) -> Piece:
        """The visible text of a chunk; raises TypeError or AttributeError for a wrong shape."""
        if not isinstance(chunk.choices, list):
            raise TypeError("chunk without choices")
        if chunk.usage:
            self._usage = _usage(chunk.usage)
            details = getattr(chunk.usage, "completion_tokens_details", None)
            self.thought_unseen = bool(getattr(details, "reasoning_tokens", 0))
        if not chunk.choices:
            return Piece()
        choice = chunk.choices[0]
        self._finish = choice.finish_reason or self._finish
        delta = choice.delta
        if getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None):
            self.begun = self._thought = True
        if not delta or not delta.content:
            return Piece()
        self.begun = True
        text = self._filter.feed(delta.content)
        if self._filter.after is None:
            return self._piece(text, choice.logprobs)
        self._thought, self._given, self._logprobs = True, False, ()
        return replace(self._piece(self._filter.after, None), restart=True)

    def _piece(self, text: str, logprobs: Any) -> Piece:
        self._thought = self._thought or self._filter.thinking
        if self._filter.thinking and not self._given:
            self._logprobs = ()
        elif not self._logprobs and logprobs and logprobs.content:
            top = logprobs.content[0].top_logprobs or []
            self._logprobs = tuple((entry.token, entry.logprob) for entry in top)
        if not self._given:
            text = text.lstrip() if self._thought else text
        first, self._given = not self._given and bool(text), self._given or bool(text)
        return Piece(text, self._logprobs if first else ())

    def finish(self) -> Iterator[Piece]:
        """The last pieces, or the error that tells how the reply fell short."""
        rest = self._piece(self._filter.close(), None)
        if rest.text:
            yield rest
        if self._finish is None and self.begun:
            raise ModelError("cut", f"{self._where} broke off in the middle of its reply. Ask again.")
        if not self._given and (self._thought or self.thought_unseen or self._finish == "length"):
            raise ModelError(
                "thinking",
                f"The model at {self._where} spent its whole reply on thinking. "
                "Choose a model that does not think, or switch its thinking off.",
            )
        if not self._given:
            raise ModelError("empty", f"{self._where} sent an empty reply. Ask again, or choose another model.")
        yield Piece("", (), self._finish, self._usage)
