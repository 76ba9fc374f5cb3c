"""Can a model's Yes and No be believed? Found out once, on small cases of which the outcome is known.

The coefficients of `app.gates` were fitted to one model's log-probabilities. Another may say Yes as likely to
everything, or know better and say it with odds far from the gate's threshold. So each case is put to the model in the
very requests of the road, but for their length, and its views to the gate: where that is wrong about one, they are not
used, and whether an answer stands is left to the checker. The grammar is among them: where log-probabilities are told
only of what it allows, which begins with Yes, the two cases without an answer pass the gate.
"""

from contextlib import suppress

from app.answer import Evidence
from app.confirm import confirmed
from app.faults import ModelError
from app.gates import Grounds, answerable, hopeless
from app.meter import Metered
from app.prompt import grammar, messages
from app.reply import LIKELIEST
from ingest.document import Document, Metadata
from ingest.sentences import sentence_spans

_FERRY = Document(
    "The ferry to Alvik leaves the old harbour at nine in the morning. A ticket costs four crowns, half as much as "
    "last year. Captain Berg, who is from Norway, has steered it since 2015.",
    Metadata("The Ferry to Alvik"),
)
_EVIDENCE = tuple(
    Evidence(number, _FERRY.span(*ends), _FERRY.metadata, 1.0)
    for number, ends in enumerate(sentence_spans(_FERRY.text), 1)
)
# Question, an answer, the number of the sentence that it cites, and whether that is an answer: each kind in turn, so
# that a model which says the same to all is found out by the second.
CASES = (
    ("When does the ferry to Alvik leave?", "The ferry to Alvik leaves at nine in the morning.", 1, True),
    ("Who built the ferry?", "Captain Berg built it.", 3, False),
    ("What does a ticket cost?", "A ticket costs four crowns.", 2, True),
    ("How many people can the ferry carry?", "It can carry four people.", 2, False),
)


def believed(chat: Metered) -> bool:
    """May the gate go by what this model says? Asked of it once, then remembered; never raises.

    False, and not remembered, when a request fails or is cancelled. A model that thinks is not believed: what it says
    first is settled by then, and each case would cost a whole thought.
    """
    if chat.believed is None:
        with suppress(ModelError):
            found = not chat.thinks and all(_told_rightly(chat, *case) for case in CASES)
            if not chat.cancelled:
                chat.believed = found
    return bool(chat.believed)


def _told_rightly(chat: Metered, question: str, answer: str, number: int, holds: bool) -> bool:
    """Is the gate right about one case, of which the checker has no doubt?"""
    asked = chat.complete(messages(question, _EVIDENCE), max_tokens=1, grammar=grammar(_EVIDENCE), logprobs=LIKELIEST)
    odds = asked.log_odds("yes", "no")
    if odds is None or chat.thinks:
        return False
    if hopeless(odds):
        return not holds
    text = _EVIDENCE[number - 1].span.text
    return answerable(Grounds(odds, confirmed(chat, question, text, answer), 1.0)) == holds
