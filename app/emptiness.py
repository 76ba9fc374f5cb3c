"""Sentences that claim nothing that a source could bear out: refusals, questions, the question repeated."""

import re

from app.claims import read

_NOT = r"(?:\s+not|n['’]t)\s+(?:\w+\s+){0,2}?"
_TEXT = r"(?:article|text|passage|sentence|excerpt|context)s?"
_WITNESS = r"(?:source|document|evidence|information|material)s?"
_TELL = (
    r"(?:say|mention|state|specify|tell|explain|address|discuss|describe|indicate|reveal|disclose|clarify|refer|"
    r"elaborate|name|identify|make (?:it )?clear)\b"
)
# Sources of energy provide, and materials contain, other things than a text does.
_HOLD = (
    r"(?:give|provide|contain|include|offer|have|hold|show|list|report|detail|cover|answer|support|suggest|confirm)\b"
)
_ASKED = (
    r"\s+(?:(?:\w+\s+){0,2}(?:information|details?|answers?|mention|evidence|dates?|names?|reasons?|explanations?"
    r"|figures?|numbers?|data|causes?)|who|what|which|when|where|why|how|whether|if)\b"
)
_REFUSAL = re.compile(
    rf"\b{_TEXT}\b[^.]{{0,60}}?\bdo(?:es)?{_NOT}(?:{_TELL}|{_HOLD})"
    rf"|\b{_WITNESS}\b[^.]{{0,60}}?\bdo(?:es)?{_NOT}(?:{_TELL}|{_HOLD}{_ASKED})"
    rf"|\b{_WITNESS}\b[^.]{{0,30}}?\bdo(?:es)?{_NOT}(?:answer|cover)\s+"
    r"(?:this|that|it|(?:the|your) (?:question|topic))\b"
    rf"|\b(?:these|given|provided) {_WITNESS} did{_NOT}(?:{_TELL}|{_HOLD})"
    rf"|\b(?:the|this|these|given|provided) (?:{_TEXT}|sources?|documents?) (?:has|have){_NOT}"
    r"(?:said|mentioned|stated|specified|told|given|provided|named)\b"
    # What a text of long ago did not say is told by historians, too: only of the very texts at hand.
    rf"|\b(?:the|this|these|given|provided) {_TEXT} did{_NOT}(?:{_TELL}|{_HOLD})"
    rf"|\b(?:{_TEXT}|sources?|documents?)\s+(?:is|are){_NOT}(?:clear|specific|sufficient|enough|about|relevant)\b"
    r"|\b(?:information|answer)s?\b[^.]{0,60}?\b(?:is|are)"
    rf"{_NOT}(?:given|provided|mentioned|stated|specified|said|available|included|found|contained|present|enough"
    r"|sufficient|clear)\b"
    rf"|\b(?:information|answer)s?\b[^.]{{0,60}}?\b(?:is|are){_NOT}in (?:the|these|this) "
    rf"(?:\w+ )?(?:{_TEXT}|{_WITNESS})"
    r"|\b(?:there is|there's|contains?|provides?|gives?) (?:no|not enough|insufficient) (?:\w+ ){0,3}"
    rf"(?:information|mention|answer|detail|evidence in (?:the|these|this) (?:\w+ )?(?:{_TEXT}|{_WITNESS}))"
    r"|\bnot (?:\w+ )?(?:mentioned|specified|provided|stated|given|said|known|clear)(?: in (?:the|these|this) "
    rf"(?:\w+ )?(?:{_TEXT}|{_WITNESS}))"
    r"|\bI(?:['’]m| am) (?:unable|not able|not sure)\b|\bI (?:do not|don['’]t) (?:know|have|see|find)\b"
    r"|\bI (?:cannot|can['’]t|could not|couldn['’]t) (?:\w+ )?(?:answer|say|tell|find|determine|provide|confirm|see"
    r"|give|identify|assist|help|verify|access)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[“„«\"][^“”„«»\"]*[”“»\"]")
_ASKS_FOR = re.compile(r"\b(?:who|whom|whose|what|which|when|where|why|how)\b", re.IGNORECASE)
# The answer to a choice has no other words than the question: "Who won, Smith or Jones?"
_CHOICE = re.compile(r"\bor\b|\b(?:which|who|what) of\b.*\band\b|^\W*(?:of|between)\b.*\band\b", re.IGNORECASE)
_YES_NO = frozenset({"yes", "no"})


def empty(text: str, question: str) -> str:
    """Why the sentence says nothing that can be checked; "" when it says something."""
    if _refuses(text):
        return "it speaks about the sources, not from them"
    reading = read(text)
    if text.rstrip(" \"”'’)").endswith("?"):
        return "it is a question"
    if not reading.stems and not reading.numbers:
        return "it says nothing that can be checked"
    if _ASKS_FOR.search(question) and not reading.words & _YES_NO and _repeats(text, question):
        return "it only repeats the question"
    return ""


def _refuses(text: str) -> bool:
    """Whether the sentence itself, not one that it quotes, is a refusal."""
    own = _QUOTED.sub(" ", text)
    return bool(_REFUSAL.search(own if re.search(r"\w", own) else text))


def _repeats(text: str, question: str) -> bool:
    """Whether the sentence has nothing that the question has not, and does not choose among what it offers."""
    reading, asked = read(text), read(question)
    if reading.stem_set - asked.stem_set or reading.negated:
        return False
    if {number.value for number in reading.numbers} - {number.value for number in asked.numbers}:
        return False
    return not _CHOICE.search(question) or bool(_CHOICE.search(text))
