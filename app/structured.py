"""Replies held to a JSON schema, for endpoints that know schemas and no grammar: numbers that do not exist cannot come.

The model is asked by `app.prompt` for the same sentences, but as JSON (OpenAI, "Structured model outputs"); what
comes is turned back, while it streams, into the lines that `prompt.ReplyParser` reads. A reply that is no JSON
passes as it is, for it is then such lines already.
"""

import json
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from app import prompt
from app.answer import Evidence
from app.reply import Piece

REPLY_TOKENS = prompt.ANSWER_TOKENS + 120  # with room for the names and brackets of JSON

_AS_JSON = (
    'Reply in JSON: "holds" is Yes or No, then "sentences", each with its "text" and the "numbers" of the sentences '
    "that say it, which is [0] where none does."
)
_LINE = re.compile(r"(?P<text>.*?)\s*\[(?P<number>\d+)\]")
_BEGINS = re.compile(r"\s*(?:```\w*\s*)?\{")
_MAY_BEGIN = re.compile(r"\s*(?:`{1,3}\w*\s*)?")
_NEXT = re.compile(r'"holds"\s*:\s*"(?P<holds>\w*)"|"numbers"\s*:\s*\[(?P<numbers>[\d,\s]*)\]|(?P<text>"text"\s*:\s*")')
_HEX = "[0-9a-fA-F]"
# Whole characters inside a JSON string; the two halves of a character beyond 16 bits come together.
_CHARACTERS = re.compile(
    r'(?:[^"\\]|\\[^u]'
    rf"|\\u(?![dD][89abAB]){_HEX}{{4}}"
    rf"|\\u[dD][89abAB]{_HEX}{{2}}(?:\\u{_HEX}{{4}}|(?=[^\\]|\\[^u])))*"
)


def messages(question: str, evidence: Sequence[Evidence]) -> list[dict[str, str]]:
    """`prompt.messages`, asking for JSON, with the replies of its examples as JSON."""
    asked = prompt.messages(question, evidence)
    told = [{**one, "content": as_json(one["content"])} if one["role"] == "assistant" else one for one in asked]
    return [*told[:-1], {**told[-1], "content": f"{told[-1]['content']}\n{_AS_JSON}"}]


def fitting(question: str, evidence: Sequence[Evidence], context_tokens: int | None) -> tuple[Evidence, ...]:
    """`prompt.fitting` for the request in JSON, which is longer, as its reply may be."""
    return prompt.beside(messages(question, ()), REPLY_TOKENS, evidence, context_tokens)


def as_json(reply: str) -> str:
    """A reply of lines, as `prompt.talk` has them, in JSON."""
    holds, *lines = reply.split("\n")
    found = [_LINE.fullmatch(line) for line in lines]
    sentences = [{"text": one["text"], "numbers": [int(one["number"])]} for one in found if one]
    return json.dumps({"holds": holds, "sentences": sentences}, ensure_ascii=False)


def schema(evidence: Sequence[Evidence]) -> dict[str, Any]:
    """The JSON schema of a reply: the numbers that exist, and the one that stands for none, and no others."""
    numbers = {"type": "integer", "enum": [prompt.NOWHERE, *(item.number for item in evidence)]}
    sentence = _object(text={"type": "string"}, numbers={"type": "array", "items": numbers})
    return _object(holds={"type": "string", "enum": ["Yes", "No"]}, sentences={"type": "array", "items": sentence})


def lines(pieces: Generator[Piece, None, None]) -> Generator[Piece, None, None]:
    """The pieces of a reply in JSON as pieces of the lines that it stands for."""
    reader = Lines()
    with closing(pieces):
        for piece in pieces:
            reader = Lines() if piece.restart else reader
            yield replace(piece, text=reader.feed(piece.text))


class Lines:
    """Takes a reply in JSON piece by piece, cut at any character, and gives it as lines, as soon as it is known."""

    def __init__(self) -> None:
        self._rest = ""
        self._json: bool | None = None  # not known yet
        self._inside = False  # a sentence's text
        self._open = False  # that text has been given, its numbers have not

    def feed(self, piece: str) -> str:
        """What is certain of the lines by now."""
        self._rest += piece
        if self._json is None and _MAY_BEGIN.fullmatch(self._rest):
            return ""
        if self._json is None:
            self._json = bool(_BEGINS.match(self._rest))
        if not self._json:
            given, self._rest = self._rest, ""
            return given
        return "".join(self._given())

    def _given(self) -> Generator[str, None, None]:
        while True:
            if self._inside:
                yield self._characters()
                if not self._rest.startswith('"'):
                    return
                self._inside, self._rest = False, self._rest[1:]
            found = _NEXT.search(self._rest)
            if not found:
                return
            self._rest = self._rest[found.end() :]
            yield self._part(found)

    def _part(self, found: re.Match[str]) -> str:
        if found["holds"] is not None:
            return f"{found['holds']}\n"
        if found["text"]:
            before, self._inside, self._open = "\n" if self._open else "", True, True
            return before
        marks = " ".join(f"[{number}]" for number in re.findall(r"\d+", found["numbers"]))
        if not self._open:  # numbers that come before their text
            return f"{marks} " if marks else ""
        self._open = False
        return f" {marks}\n"

    def _characters(self) -> str:
        raw = _CHARACTERS.match(self._rest)
        end = raw.end() if raw else 0
        text, self._rest = self._rest[:end], self._rest[end:]
        try:
            whole = str(json.loads(f'"{text}"', strict=False))
        except ValueError:  # an escape that JSON does not have
            whole = text
        return " ".join(whole.encode("utf-8", "replace").decode().splitlines()) if "\n" in whole else whole


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
