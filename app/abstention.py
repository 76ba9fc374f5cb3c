"""Does an answer in the making stand? Gathers the views of it that the gate of `app.gates` goes by.

Asks the model for what is missing; tells nothing and changes nothing of the answer.
"""

from contextlib import suppress

from app.calibration import believed
from app.confirm import confirmed
from app.draft import Draft
from app.emptiness import empty
from app.faults import ModelError
from app.gates import PROBED, SAID, Grounds, Mix, answerable, asks_for_the_whole, hopeless


class Gate:
    """Decides of a draft; knows nothing of one but what it holds."""

    def stands(self, draft: Draft) -> bool:
        """Does the answer pass the gate? There is none where the model has no say."""
        if not has_a_say(draft) or about_the_whole(draft):
            return True
        found = grounds(draft)
        return found is not None and answerable(found)

    def hopeless(self, draft: Draft) -> bool:
        """Is it known already that the answer will not pass?"""
        if draft.holds is None or not hopeless(draft.holds, _mix(draft)) or about_the_whole(draft):
            return False
        return has_a_say(draft)


def has_a_say(draft: Draft) -> bool:
    """Does the endpoint tell what the model holds of the answer, and is the model believed?"""
    if draft.holds is None:
        return False
    if draft.believed is None:  # asked once for a question, for it may fail
        draft.believed = believed(draft.chat)
    return draft.believed


def about_the_whole(draft: Draft) -> bool:
    """Does the question, also as it was rewritten, ask what a text says on the whole?"""
    return asks_for_the_whole(draft.question) and asks_for_the_whole(draft.query)


def grounds(draft: Draft) -> Grounds | None:
    """What speaks for the best of the draft's sentences that cite anything.

    None when none does, and where the endpoint does not tell what it holds of the answer.
    """
    cited = [one for one in draft.sentences if one.citations]
    if not cited or draft.holds is None:
        return None
    best = next((one for one in cited if one.verdict == "supported"), max(cited, key=lambda one: one.support))
    text = " ".join(citation.span.text for citation in best.citations)
    # A sentence that claims nothing ("the sources do not say why") may point to one that says it.
    said = text if empty(best.text, draft.query) else best.text
    log_odds = None
    with suppress(ModelError):  # a fault of this request is no fault of the answer
        log_odds = confirmed(draft.chat, draft.query, text, said)
    return Grounds(draft.holds, log_odds, best.support, _mix(draft))


def _mix(draft: Draft) -> Mix:
    return PROBED if draft.chat.probe else SAID
