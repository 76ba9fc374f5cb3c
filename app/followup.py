"""A question that leans on the conversation -> a standalone query.

A question that stands by itself is left alone and costs no model call. What the model
rewrites is checked: it may use only words of the conversation, so it cannot add a name
or a number of its own.
"""

import re
from collections.abc import Sequence

from app.answer import Turn
from app.model import ChatModel, ModelError
from ingest.lexical import STOP_WORDS, words

_POINTS_BACK = re.compile(
    r"\b(he|she|they|them|him|his|hers?|their|theirs|its|this|these|those|there|then|"
    r"the (?:same|other|others|former|latter|first|second|third|last) ?(?:one|ones)?|"
    r"that (?:one|trip|visit|deal|plan|place|country|man|woman|year|time|case|speech|article|bank|debt|agreement))\b"
    r"|\bit\b(?! true| correct| the case| possible)|\b(?:that|it|so|else)\s*\?*$",
    re.IGNORECASE,
)
_OPENS_MID_TALK = re.compile(
    r"^\s*(and|but|or|so|also|then|what about|how about|why|how so|how come|who else|what else|where else|"
    r"tell me more|more|go on|which (?:one|ones|of)|really)\b(?!\s+(?:is|are|was|were|did|does|do|has|have|had|would|should|could|can|will)\b.*\b[A-Z])",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][\w’'-]+|\b[A-Z]{2,}\b")

SYSTEM = """Rewrite the last question so that it can be understood without the conversation. Replace words \
like "he", "it", "they", "there" by what they stand for, and add what is left out. Keep the meaning and the \
language. Write only the question."""
_EXAMPLE = (
    "Conversation:\nQ: Who founded the observatory?\nA: Maria Lindt founded it in 1921.\n"
    "Last question: and how long did she run it?"
)
_EXAMPLE_REPLY = "How long did Maria Lindt run the observatory?"
REWRITE_TOKENS = 60
TURNS = 3
ANSWER_CHARACTERS = 400


def leans(question: str, history: Sequence[Turn]) -> bool:
    """Does the question need the conversation to be understood? Always False without one."""
    if not history:
        return False
    if _POINTS_BACK.search(question) or _OPENS_MID_TALK.search(question):
        return True
    content = [word for word in words(question) if word not in STOP_WORDS]
    return len(content) < 3 and not _NAME.search(question)


def with_context(question: str, history: Sequence[Turn]) -> str:
    """The question behind the one before it: finds the right passages at once, without a model."""
    return f"{history[-1].question.strip()} {question.strip()}"


def standalone(question: str, history: Sequence[Turn], model: ChatModel) -> str:
    """The question rewritten by the model; `with_context` when the rewriting fails or adds words of its own."""
    try:
        piece = model.complete(_messages(question, history), max_tokens=REWRITE_TOKENS, stop=["\n"])
    except ModelError:
        return with_context(question, history)
    query = " ".join(piece.text.split()).strip("\"'“” ")
    return query if _faithful(query, question, history) else with_context(question, history)


def _messages(question: str, history: Sequence[Turn]) -> list[dict[str, str]]:
    turns = "\n".join(f"Q: {turn.question}\nA: {turn.answer[:ANSWER_CHARACTERS]}" for turn in history[-TURNS:])
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": _EXAMPLE},
        {"role": "assistant", "content": _EXAMPLE_REPLY},
        {"role": "user", "content": f"Conversation:\n{turns}\nLast question: {question}"},
    ]


def _faithful(query: str, question: str, history: Sequence[Turn]) -> bool:
    """Is it one question whose content words were all said before, and which keeps those of the question?"""
    if not query or len(query) > 300:
        return False
    said = set(words(question))
    for turn in history[-TURNS:]:
        said.update(words(turn.question), words(turn.answer))
    content = [word for word in words(query) if word not in STOP_WORDS]
    return bool(content) and sum(word in said for word in content) >= 0.75 * len(content)
