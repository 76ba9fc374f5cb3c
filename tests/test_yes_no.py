"""A Yes or a No is held against the claim behind it; where the two may agree, nothing is said."""

import pytest

from app.answer import Evidence
from app.check import Checker
from app.claims import read
from app.yes_no import turned
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder

LAOS, OPEN, STAY = "Did Kim visit Laos?", "Is the library open?", "Will Eastgate keep its branch?"


@pytest.mark.parametrize(
    "question, claim",
    [
        (LAOS, "No, Kim visited Laos in January."),
        (LAOS, "No, he visited Laos in 2019."),
        (LAOS, "No, Kim did visit Laos."),
        (LAOS, "No: Kim visited Laos, since he had been invited."),
        (LAOS, "Yes, Kim did not visit Laos."),
        (LAOS, "Yes, he didn’t visit Laos in January."),
        ("Did Kim Jong-un visit Laos?", "No, he visited Laos."),
        ("Did Smith win the election?", "No, Smith won the election in May."),
        (OPEN, "No, the library is open."),
        (OPEN, "Yes, the library is not open."),
        ("Does the canal carry freight?", "Yes, the canal does not carry freight."),
        ("Does the canal carry freight?", "No, the canal carries freight."),
        (STAY, "No, Eastgate will keep its branch, because many readers go there."),
        ("Was the treaty signed?", "No, the treaty was signed in 1994."),
    ],
)
def test_a_yes_or_no_that_its_own_claim_denies_is_seen(question, claim):
    assert turned(read(claim), question)


@pytest.mark.parametrize(
    "question, claim",
    [
        (LAOS, "Yes, Kim visited Laos in January."),
        (LAOS, "No, Kim did not visit Laos."),
        (LAOS, "No, he visited Vietnam."),
        (LAOS, "No, Kim planned to visit Laos in January."),
        (LAOS, "No, Kim's brother visited Laos."),
        (LAOS, "No, Kim visited Laos' neighbour Vietnam."),
        (LAOS, "No, Kim will visit Laos in January."),
        (LAOS, "Yes, Kim did not only visit Laos but stayed for a week."),
        (LAOS, "Yes, Kim did not visit Laos in January but in May."),
        (LAOS, "Yes, Kim did not visit Laos alone."),
        (LAOS, "No visit of Kim to Laos is known."),
        ("Did Kim visit Laos in February?", "No, Kim visited Laos in January."),
        ("Did Kim visit Laos twice?", "No, Kim visited Laos once."),
        ("Did Germany beat France?", "No, France beat Germany."),
        ("Did Kim invite Putin?", "No, Kim was invited by Putin."),
        ("Did Kim fly from Laos to Vietnam?", "No, Kim flew from Vietnam to Laos."),
        ("Did all members vote for the bridge?", "No, some members voted for the bridge."),
        ("Was the bridge built after the war?", "No, the bridge was built before the war."),
        ("Was it built in 1901?", "No, it was built in 1910."),
        ("Did the council approve the bridge?", "No, the council approved the bridge design."),
        ("Does Kim live in Laos?", "No, Kim lived in Laos in 1990."),
        ("Is Weston a town?", "No, Weston is the town of Norton's birth."),
        ("Is Ana the mayor?", "No, Ana is the mayor of Norton."),
        (OPEN, "No, the library was open in May."),
        (OPEN, "No, the library is open in May."),
        (OPEN, "No, the library is open only on Mondays."),
        (OPEN, "No, the library is open, but only on Mondays."),
        (STAY, "No, the branch in Eastgate will close in May, since few readers go there any more."),
        ("Will the list be final?", "Yes, the list will not be final until Friday."),
        # Negative questions, tags and choices are answered in either way.
        ("Didn't Kim visit Laos?", "No, Kim visited Laos."),
        ("Did Kim not visit Laos?", "Yes, Kim did not visit Laos."),
        ("Kim visited Laos, didn't he?", "No, Kim visited Laos."),
        ("Did Kim visit Laos, or did he stay?", "No, Kim visited Laos."),
        ("Did Kim refuse to visit Laos?", "No, Kim did not refuse to visit Laos."),
        ("Who visited Laos?", "No, Kim visited Laos."),
    ],
)
def test_where_both_may_be_true_nothing_is_said(question, claim):
    assert turned(read(claim), question) == ""


@pytest.mark.parametrize(
    "claim, verdict",
    [
        ("No, Kim visited Laos in January.", "unsupported"),
        ("No, he visited Laos.", "unsupported"),
        ("Yes, Kim visited Laos in January.", "supported"),
        ("Kim visited Laos in January.", "supported"),
    ],
)
def test_the_checker_marks_it(claim, verdict):
    document = Document("Kim visited Laos in January.", Metadata("The valley"))
    evidence = [Evidence(1, document.span(0, len(document.text)), document.metadata, 0.5)]
    assert Checker(LocalEmbedder().embed).start(LAOS, evidence).check(claim, [1]).verdict == verdict
