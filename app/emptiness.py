"""Sentences that claim nothing that a source could bear out: refusals, questions, the question repeated."""

import re

from app.claims import read

_REFUSAL = re.compile(
    r"\b(?:article|text|passage|sentence|source|document|evidence|information|context|excerpt|material)s?\b[^.]{0,60}?"
    r"\b(?:do(?:es)?|did|is|are|was|were|has|have)(?:\s+not|n['’]t)\b"
    r"|\b(?:there is|there's|contains?|provides?|gives?) (?:no|not enough|insufficient) (?:\w+ ){0,3}"
    r"(?:information|mention|evidence|answer|detail)"
    r"|\bnot (?:\w+ )?(?:mentioned|specified|provided|stated|given|said|known|clear)(?: in (?:the|these|this) "
    r"(?:\w+ )?(?:article|text|passage|sentence|source|document|evidence)s?)"
    r"|\bI (?:do not|don['’]t|cannot|can['’]t|am unable|am not able)\b",
    re.IGNORECASE,
)
_ASKS_FOR = re.compile(r"\b(?:who|whom|whose|what|which|when|where|why|how)\b", re.IGNORECASE)
_YES_NO = frozenset({"yes", "no"})


def empty(text: str, question: str) -> str:
    """Why the sentence says nothing that can be checked; "" when it says something."""
    if _REFUSAL.search(text):
        return "it speaks about the sources, not from them"
    reading = read(text)
    if text.rstrip(" \"”'’)").endswith("?"):
        return "it is a question"
    if not reading.stems and not reading.numbers:
        return "it says nothing that can be checked"
    asked = read(question)
    adds = reading.stem_set - asked.stem_set or reading.negated
    counts = {number.value for number in reading.numbers} - {number.value for number in asked.numbers}
    if not adds and not counts and _ASKS_FOR.search(question) and not reading.words & _YES_NO:
        return "it only repeats the question"
    return ""
