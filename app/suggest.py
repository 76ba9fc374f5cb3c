"""An article -> questions that it answers, made from its own sentences; no model is asked.

Reads English statements of a few plain shapes ("X is developing 13 zones" gives "How many zones is
X developing?"); each question keeps the span of the sentence that answers it, so that its asker can
be sure. Of an article in another language it makes none.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.document import Document, Span
from ingest.lexical import guess_language
from ingest.sentences import sentence_spans

READ = 60_000  # characters of an article that are read
LONGEST = 110  # characters of a question

_NAME = r"[A-Z][\w’'-]+(?: (?:of |the |for )?[A-Z][\w’'-]+)*"
_LEAD = (
    r"(?:(?:But|And|Yet|So|Still|Also|Furthermore|Moreover|However|Today|In addition|In fact|For example|"
    r"For instance|Meanwhile|Indeed),? )?"
)
_SUBJECT = r"(?P<subject>(?:(?:The|A|An) )?[\w’'-]+(?: (?!and\b|or\b|that\b|which\b|who\b)[\w’'-]+){0,5}?)"
_HELPS = r"(?P<helps>is|are|was|were|has|have|had|will)(?: (?:also|already|now|currently|still|recently))*"
_ABOUT = r"(?:(?:about|around|nearly|almost|some|over|more than|at least|up to|approximately|only) )?"
_NUMBER = (
    r"(?:\d{1,3}(?:,\d{3})+|\d+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|"
    r"twenty|thirty|forty|fifty|sixty|hundred)"
)
_MONEY = r"[$€£¥]\s?\d[\d.,]*(?: (?:million|billion|trillion|bn|m))?"
_DAY = (
    r"(?:(?:in|on|since) (?:early |late |mid-)?"
    r"(?:(?:January|February|March|April|May|June|July|August|September|October|November|December)"
    r"(?: \d{1,2})?(?:,? \d{4})?|\d{4}))\b"
)
_END = r"(?=[,;:.–—(]|$)"
_STOP = r"(?=[,;:.–—(]| (?:and|but|that|which|who|while|because|since|as)\b|$)"

_COUNT = re.compile(
    rf"^{_LEAD}{_SUBJECT} {_HELPS} (?P<verb>[a-z]+(?:ing|ed|en)) {_ABOUT}{_NUMBER} "
    r"(?P<things>[a-z-]+(?: [a-z-]+){0,3}?s)"
    rf"(?P<rest>(?: (?:in|on|for|to|from|with|across) [\w’' -]{{2,50}}?)?){_STOP}"
)
_AMOUNT = re.compile(
    rf"^{_LEAD}{_SUBJECT} {_HELPS} (?P<verb>[a-z]+(?:ed|en|ent|aid|ing)) {_ABOUT}{_MONEY} "
    rf"(?P<rest>(?:to|for|in|on|into|from) [\w’' -]{{3,70}}?){_STOP}"
)
_WHEN = re.compile(
    rf"^{_LEAD}{_SUBJECT} (?P<helps>was|were) (?P<verb>[a-z]+(?:ed|en|un|old)(?: [\w’' -]{{2,40}}?)?) {_DAY}"
)
_WHY = re.compile(rf"^{_LEAD}{_SUBJECT} (?P<helps>is|are|was|were) (?P<rest>[a-z][\w’' -]{{2,60}}?) because\b")
_TITLE = r"(?:President|Minister|Secretary|Chancellor|Governor|Senator|Mayor|Director|Ambassador|Professor|King|Queen)"
_WHO = re.compile(
    rf"(?:^| that )(?:[A-Z][\w-]+ )*{_TITLE} {_NAME} "
    rf"(?P<rest>(?:led|made|met|told|wrote|won|became|founded|visited|opened|signed|announced|proposed|launched|"
    rf"pledged|promised|urged|called for|ordered) [\w’', -]{{8,90}}?)(?=[;:.–—(]|$)"
)
_IS_WHO = re.compile(
    rf"(?:^|, |that )(?P<name>{_NAME}), (?:an?|the) [^,]{{0,60}}"
    r"\b(?:fellow|professor|researcher|director|founder|author|analyst|economist|scientist|historian|\w+man|\w+woman|"
    r"minister|president|spokesperson|leader|doctor|teacher|engineer|lawyer|writer|editor|expert|student)\b[^,]{0,80},"
)
_SAYS = re.compile(
    rf"(?:^|, )(?P<name>{_NAME})(?:, [^,]{{3,90}},)? (?P<verb>argues|argued|says|said|claims|claimed|believes|believed|"
    r"warns|warned|suggests|suggested|concludes|concluded|proposes|proposed|explains|explained) (?:that )?"
    r"(?P<topic>(?:the |an? )?(?:[\w’'-]+ ){1,4}?)"
    r"(?:is|are|was|were|has|have|had|will|would|could|can|should|may|might)\b"
)
_PRONOUN = re.compile(r"(?:it|he|she|they|we|you|i|this|that|there|these|those|his|her|their|our|my|what|who)\b", re.I)
_INSIDE = re.compile(rf"(?<=[a-z,;] ){_NAME}")
_DULL = re.compile(
    r"(?:The|This|That|These|Those|I|It|He|She|They|We|You|In|On|At|As|But|And|If|When|While|Such|There|Here|What|One|"
    r"Some|Many|Most|Both|All|Each|His|Her|Their|Its|Our|My|Mr|Mrs|Ms|Dr|Prof|"
    r"January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)(?:’s|'s)?$"
)
_SPOKEN = {"says": "say", "said": "say"}


@dataclass(frozen=True)
class Suggestion:
    """A question, and the sentence of the article that answers it."""

    question: str
    sentence: Span


def suggest(document: Document, most: int = 8) -> list[Suggestion]:
    """Questions about `document`, one of each shape first; at most `most`."""
    if guess_language(document.text[:READ]) != "en":
        return []
    text = document.text[:READ]
    names = Counter(match[0].removesuffix("’s").removesuffix("'s") for match in _INSIDE.finditer(text))
    shapes: dict[str, list[Suggestion]] = {}
    for start, end in sentence_spans(text, document.metadata.language):
        span = document.span(start, end)
        for shape, question in _asked(" ".join(span.text.split()), names):
            if len(question) <= LONGEST:
                shapes.setdefault(shape, []).append(Suggestion(question, span))
                break
    found = list(shapes.values())
    turns = max(map(len, found), default=0)
    ordered = [one[turn] for turn in range(turns) for one in found if turn < len(one)]
    for name, sentence in _told_of(document, names):
        ordered.append(Suggestion(f"What does the article say about {name}?", sentence))
    return list({one.question: one for one in reversed(ordered)}.values())[::-1][:most]


def _told_of(document: Document, names: Counter[str]) -> Iterator[tuple[str, Span]]:
    """Names that the article returns to, the most prominent first, each with its first sentence."""
    text, title = document.text[:READ], document.metadata.title.lower()
    known = [name for name, times in names.most_common(40) if times > 1 and not _DULL.match(name)]
    taken: list[str] = []
    for name in sorted(known, key=lambda name: (-names[name] * (1 + name.count(" ")), name)):
        if name.lower() in title or any(name in other or other in name for other in taken):
            continue
        at = text.index(name)
        around = [(start, end) for start, end in sentence_spans(text, document.metadata.language) if start <= at < end]
        if around and len(taken) < 4:
            taken.append(name)
            yield name, document.span(*around[0])


def _asked(sentence: str, names: Counter[str]) -> Iterator[tuple[str, str]]:
    """The shape and the question of each pattern that `sentence` follows, the surest first."""
    for shape, pattern in _SHAPES.items():
        match = pattern.search(sentence)
        if not match:
            continue
        part = {name: value or "" for name, value in match.groupdict().items()}
        if "subject" in part:
            subject = _subject(part["subject"], names)
            if not subject:
                continue
            part["subject"] = subject
        if question := _worded(shape, part):
            yield shape, question


_SHAPES = {
    "count": _COUNT,
    "amount": _AMOUNT,
    "who": _WHO,
    "when": _WHEN,
    "why": _WHY,
    "is_who": _IS_WHO,
    "says": _SAYS,
}


def _worded(shape: str, part: dict[str, str]) -> str:
    """The parts of a statement as a question; "" when its subject is only a pronoun."""
    if shape == "count":
        return f"How many {part['things']} {part['helps']} {part['subject']} {part['verb']}{part['rest']}?"
    if shape == "amount":
        return f"How much {part['helps']} {part['subject']} {part['verb']} {part['rest']}?"
    if shape == "when":
        return f"When {part['helps']} {part['subject']} {part['verb']}?"
    if shape == "why":
        return f"Why {part['helps']} {part['subject']} {part['rest']}?"
    if shape == "who":
        return f"Who {part['rest']}?"
    if _DULL.match(part["name"]) or _PRONOUN.match(part.get("topic", "")):
        return ""
    if shape == "is_who":
        return f"Who is {part['name']}?"
    verb = part["verb"]
    past = verb.endswith("ed") or verb == "said"
    base = _SPOKEN.get(verb) or (re.sub(r"(?<=[mv])ed$|(?<=[nts])ed$|ed$", "", verb) if past else verb[:-1])
    base = {"argu": "argue", "believ": "believe", "conclud": "conclude", "propos": "propose"}.get(base, base)
    return f"What {'did' if past else 'does'} {part['name']} {base} about {part['topic'].strip()}?"


def _subject(words: str, names: Counter[str]) -> str:
    """The subject as it stands inside a sentence: lower-case unless it is a name; "" for pronouns."""
    first = words.split()[0]
    if first in ("The", "A", "An"):
        return first.lower() + words[len(first) :]
    if _DULL.match(first) or not words[0].isupper():
        return ""
    inside = any(first in name.split() for name in names)
    return words if inside else words[0].lower() + words[1:]
