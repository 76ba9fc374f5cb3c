"""A question that leans on the conversation -> a standalone query.

A question that stands by itself is left alone and costs no model call. What the model
rewrites is checked: it may use only words of the conversation, so it cannot add a name
or a number of its own.
"""

import re
from collections.abc import Sequence

from app.answer import Turn
from app.faults import ModelError
from app.meter import Metered
from app.prompt import one_line
from ingest.lexical import guess_language, query_tokens, tokens

_QUOTED = re.compile('["“„«].*?["”»]')
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][\w’'-]+|\b[A-Z]{2,}\b")
_PERSON = re.compile(r"\b(?:he|she|him|his|hers?|himself|herself)\b", re.IGNORECASE)
_THING = re.compile(
    r"\b(?:it|its|they|them|their|theirs|these|those|this|that one)\b(?!\s+(?:article|text|page|source|document)\b)"
    r"|\bthere\b(?!\s+(?:is|are|was|were|will|has|have|had|any|be)\b)(?<!\bis there)(?<!\bare there)"
    r"|\bthe (?:same|others?|former|latter)\b|\bthat\s*[?.]*$",
    re.IGNORECASE,
)
_OPENS_MID_TALK = re.compile(
    r"^\s*(?:and|but|or|also|what about|how about|who else|what else|where else|which ones?\b(?! of)|"
    r"which of (?:them|these|those)|tell me more|go on|the other|so (?:what|who|why|how|when|where|which)|"
    r"(?:why|how so|how come|really|when|where|who)(?:\s+not)?\s*[?.]*$)(?!\w)",
    re.IGNORECASE,
)
_ABOUT_THE_ARTICLE = re.compile(r"\b(?:article|author|writer|text)\b", re.IGNORECASE)
# "How many members of ASEAN signed it?": in a question of one clause, what ends it is not who stands before it; but it
# may be whose a thing is ("Rome's allies"), or what a phrase is about ("a university with foreigners in it").
_ENDS_IN_PRONOUN = re.compile(r"\b(?:it|them|him|her)\s*[?.]*$", re.IGNORECASE)
_SEVERAL_CLAUSES = re.compile(
    r"[,;:]|(?<=\w )(?:and|or|but|when|if|after|before|while|since|because|that|who|which|whose|where|than)\b"
    r"|\bto (?!it\b|them\b|him\b|her\b)[a-z]",
    re.IGNORECASE,
)
_OWNED = re.compile(r"(?:['’]s|s['’])$")
_ENDS_IN_PHRASE = re.compile(
    r"\b(?:with [a-z]+ in|(?:the|an?|any|by|with|of|from|for) [a-z]+ (?:[a-z]+ed|found|made|held|built|kept|left) "
    r"(?:in|on|at|by|with|from|to|for|after)) (?:it|them|him|her)\s*[?.]*$"
)
FEW_WORDS = 3
SOME_WORDS = 5

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
KEPT = 0.75  # share of a rewritten question's words that must have been said before
OWN = 0.5  # share of the question's own words that the rewritten one must keep


def leans(question: str, history: Sequence[Turn]) -> bool:
    """Does the question need the conversation to be understood? Always False without one.

    It does when it opens in the middle of a talk ("And ...", "What about ..."), when a pronoun
    has no name before it that it could stand for, or when it has hardly a word of its own. A pronoun
    that ends a question of one clause stands for none in it, save for one that owns something
    ("Rome's allies leave it") or where it ends a phrase ("people infected with it").
    """
    if not history:
        return False
    if _OPENS_MID_TALK.search(question):
        return True
    bare = _QUOTED.sub(" ", question)
    name = _NAME.search(bare)
    if name and re.match(r"\s*(?:in|on|at|with|by|for|if|after|before|during)\b", bare, re.IGNORECASE):
        return False  # "In his speech, what did Kim ...": the name comes after its pronoun.
    if name and _ends_in_another(bare):
        return True
    before = bare[: name.start()] if name else bare
    if _PERSON.search(before):
        return True
    content = query_tokens(bare, [guess_language(bare)])
    if _THING.search(before) and len(content) < SOME_WORDS:
        return True
    return len(content) < FEW_WORDS and not name and not _ABOUT_THE_ARTICLE.search(bare)


def _ends_in_another(question: str) -> bool:
    """Whether a question of one clause ends in a pronoun that stands for nobody named in it."""
    if not _ENDS_IN_PRONOUN.search(question) or _SEVERAL_CLAUSES.search(question):
        return False
    owned = any(_OWNED.search(name.group()) for name in _NAME.finditer(question))
    return not (owned or _ENDS_IN_PHRASE.search(question))


def with_context(question: str, history: Sequence[Turn]) -> str:
    """The question behind the one before it: finds the right passages at once, without a model."""
    return f"{history[-1].question.strip()} {question.strip()}"


def standalone(question: str, history: Sequence[Turn], model: Metered) -> str:
    """The question rewritten by the model; `with_context` when the rewriting fails or adds words of its own."""
    try:
        piece = model.complete(_messages(question, history), max_tokens=REWRITE_TOKENS, stop=["\n"])
    except ModelError:
        return with_context(question, history)
    query = " ".join(piece.text.split()).strip("\"'“” ")
    return query if _faithful(query, question, history) else with_context(question, history)


def opening() -> list[dict[str, str]]:
    """What every request for a rewriting begins with: the instructions and an example."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": _EXAMPLE},
        {"role": "assistant", "content": _EXAMPLE_REPLY},
    ]


def _messages(question: str, history: Sequence[Turn]) -> list[dict[str, str]]:
    # What was said may quote a document: it must neither speak as the system nor forge a turn.
    turns = "\n".join(
        f"Q: {one_line(turn.question)}\nA: {one_line(turn.answer[:ANSWER_CHARACTERS])}" for turn in history[-TURNS:]
    )
    return [*opening(), {"role": "user", "content": f"Conversation:\n{turns}\nLast question: {one_line(question)}"}]


def _faithful(query: str, question: str, history: Sequence[Turn]) -> bool:
    """Is it one question whose content words were all said before, and which keeps those of the question?"""
    if not query or len(query) > 300:
        return False
    language = guess_language(query)
    conversation = [question, *(f"{turn.question} {turn.answer}" for turn in history[-TURNS:])]
    said = set(tokens(" ".join(conversation), language))
    content, own = query_tokens(query, [language]), query_tokens(question, [language])
    known = sum(token in said for token in content) >= KEPT * len(content)
    return known and sum(token in content for token in own) >= OWN * len(own)
