"""What a sentence says to be done, the source must say, be it in other words; who is described is who was named."""

import pytest

from app.answer import Evidence
from app.check import Checker
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder
from ingest.sentences import sentence_spans

TEXT = (
    "Anna Lindt, a fellow at the Oslo-based Institute of Coastal Studies, spoke to the council of Weston. "
    "The institute was praised by Bergen, and its library was opened by the mayor. "
    "Bell metal is a copper alloy that contains tin. "
    "A superconducting magnet of two kilograms can produce magnetic fields comparable to an iron magnet weighing tons. "
    "By 1925, Bowman had settled on a design for the tall building. "
    "By 1951, Salk and his team had begun immunization experiments in monkeys using dead virus. "
    "Harlow Motors was founded in Weston in 1901. "
    "The company is building a large factory for electric buses near Norton. "
    "The Norton ferry will carry school children across the river without charge. "
    "The governor's speech pleased the farmers of Eastgate."
)
DOCUMENT = Document(TEXT, Metadata("The valley"))
EVIDENCE = [Evidence(n, DOCUMENT.span(*s), DOCUMENT.metadata, 0.5) for n, s in enumerate(sentence_spans(TEXT), 1)]

FALSE = [
    ("The Institute of Coastal Studies is funded by Oslo.", 1, "funded"),
    ("The Institute of Coastal Studies was secretly controlled by Oslo.", 1, "controlled"),
]
TRUE = [
    "A superconducting magnet can produce magnetic fields comparable to an iron magnet weighing tons.",
    "Salk had begun immunization experiments in monkeys using dead virus by 1951.",
    "Harlow Motors is building a large factory for electric buses near Norton.",
    "It will carry school children across the river without charge.",
    "School children will be carried across the river without charge by the Norton ferry.",
    "The institute was praised by Bergen.",
    "Bell metal is a copper alloy, and a superconducting magnet can produce magnetic fields comparable to an iron "
    "magnet weighing tons.",
]


@pytest.fixture(scope="module")
def session():
    return Checker(LocalEmbedder().embed).start("", EVIDENCE)


@pytest.mark.parametrize("claim, cited, word", FALSE)
def test_a_deed_that_the_source_does_not_say_is_marked(session, claim, cited, word):
    found = session.check(claim, [cited])
    assert found.verdict == "unsupported", found
    assert word in found.why


@pytest.mark.parametrize("claim", TRUE)
def test_what_it_says_is_not(session, claim):
    found = session.check(claim, ())
    assert found.verdict == "supported", found.why


# The second sentence goes on about whom the first one names, by a description or by another name.
SAME_BY_ANOTHER_NAME = [
    (
        "Kim Jong Un visited the plant on Monday. "
        "North Korea's leader has ordered the construction of twenty new factories in rural areas.",
        "Kim Jong Un has ordered the construction of twenty new factories in rural areas.",
    ),
    (
        "Angela Merkel was the chancellor. "
        "Germany's chancellor will visit China next week to discuss trade and climate policy.",
        "Angela Merkel will visit China next week to discuss trade and climate policy.",
    ),
    (
        "Jane Smith founded Acme in 1990. Acme's founder is building a hospital for sick children in Nairobi.",
        "Jane Smith is building a hospital for sick children in Nairobi.",
    ),
    (
        "Ri Su-yong arrived on Tuesday. "
        "North Korea's foreign minister has discussed food aid and trade with officials in Moscow.",
        "Ri Su-yong has discussed food aid and trade with officials in Moscow.",
    ),
    (
        "Lionel Messi scored twice. Barcelona's captain has won six golden boots during his career in Spain.",
        "Lionel Messi has won six golden boots during his career in Spain.",
    ),
    (
        "Tesla reported losses. Elon Musk's company is building a huge battery factory near Berlin for its cars.",
        "Tesla is building a huge battery factory near Berlin for its cars.",
    ),
    (
        "BTS debuted in 2013. The South Korean boy band has sold more than thirty million albums around the world.",
        "BTS has sold more than thirty million albums around the world.",
    ),
    (
        "The Nile flows north. Egypt's great river has flooded its valley every summer since ancient times.",
        "The Nile has flooded its valley every summer since ancient times.",
    ),
    (
        "Aspirin was first sold in 1899. Low doses of the drug can reduce the risk of heart attacks in older men.",
        "Aspirin can reduce the risk of heart attacks in older men.",
    ),
    (
        "Aspirin was first sold in 1899. Taking small daily doses can reduce the risk of heart attacks in older men.",
        "Aspirin can reduce the risk of heart attacks in older men.",
    ),
    (
        "Penguins live in the south. Most species of the bird can dive to depths of five hundred metres for fish.",
        "Penguins can dive to depths of five hundred metres for fish.",
    ),
    (
        "Microsoft showed a new phone. A small team has developed a battery that can charge a car in five minutes.",
        "Microsoft has developed a battery that can charge a car in five minutes.",
    ),
    (
        "China held talks. Last week, senior Chinese officials have promised cheap loans for railways in Africa.",
        "China has promised cheap loans for railways in Africa.",
    ),
    (
        "Russia held elections. On Monday, Moscow has ordered the closing of three foreign consulates in the north.",
        "Russia has ordered the closing of three foreign consulates in the north.",
    ),
    (
        "Aspirin was first sold in 1899. A small daily tablet can reduce the risk of heart attacks in older men.",
        "Aspirin can reduce the risk of heart attacks in older men.",
    ),
    (
        "Norsk Hydro was founded in 1905. A large Norwegian company, it is building smelters near rivers in Brazil.",
        "Norsk Hydro is building smelters near rivers in Brazil.",
    ),
    (
        "Doctors at Oslo Hospital met. A new clinic of the hospital will treat children with rare heart diseases free.",
        "Oslo Hospital will treat children with rare heart diseases free.",
    ),
]
# Who made it stands in the source as a possessive, and what he did with it is in the nature of the thing.
MADE_BY = [
    (
        "Spielberg's film Jaws earned 470 million dollars worldwide.",
        "The film Jaws was directed by Spielberg and earned 470 million dollars worldwide.",
    ),
    (
        "Picasso's Guernica hangs in the Reina Sofia museum in Madrid.",
        "Guernica was painted by Picasso and hangs in the Reina Sofia museum in Madrid.",
    ),
    (
        "Edison's phonograph of 1877 recorded sound on tinfoil.",
        "The phonograph was invented by Edison in 1877 and recorded sound on tinfoil.",
    ),
    (
        "Sanofi's vaccine Dengvaxia is approved in 20 countries.",
        "The vaccine Dengvaxia was developed by Sanofi and is approved in 20 countries.",
    ),
    (
        "The Ninth Symphony of Beethoven premiered in Vienna in 1824.",
        "The Ninth Symphony was composed by Beethoven and premiered in Vienna in 1824.",
    ),
    (
        "A long study in Nature found plastic in the snow of the Alps.",
        "The long study was published by Nature and found plastic in the snow of the Alps.",
    ),
    (
        "The Spielberg film Jaws earned 470 million dollars worldwide.",
        "The film Jaws was directed by Spielberg and earned 470 million dollars worldwide.",
    ),
]


@pytest.mark.parametrize("text, claim", [*SAME_BY_ANOTHER_NAME, *MADE_BY])
def test_what_is_said_in_other_words_is_not_marked(text, claim):
    found = _checked(text, claim)
    assert found.verdict == "supported", found.why


def _checked(text, claim, question=""):
    document = Document(text, Metadata("The valley"))
    spans = enumerate(sentence_spans(text), 1)
    evidence = [Evidence(n, document.span(*s), document.metadata, 0.5) for n, s in spans]
    return Checker(LocalEmbedder().embed).start(question, evidence).check(claim, ())


ARENAS = (
    "Garden Hall in Weston is the longest-running venue of the ice league. "
    "The league has many rules about sticks and fights. "
    "The oldest indoor hockey arena still in use today is Lindt Arena in Harlow. "
    "It is repaired every summer."
)
OLDEST = "What is the oldest indoor hockey arena still in use today?"


@pytest.mark.parametrize(
    "claim, verdict",
    [
        ("The oldest indoor hockey arena still in use today is Garden Hall, a venue of the ice league.", "unsupported"),
        ("The oldest indoor hockey arena still in use today is Lindt Arena, repaired every summer.", "supported"),
        ("The oldest indoor hockey arena still in use today is Lindt Arena.", "supported"),
    ],
)
def test_an_answer_stands_in_the_sentence_that_holds_what_was_asked_or_beside_it(claim, verdict):
    found = _checked(ARENAS, claim, OLDEST)
    assert found.verdict == verdict, found.why
