"""Where sentences end: each case is a text and the sentences that a careful reader finds in it."""

import pytest

from ingest.sentences import MAX_CHARACTERS, sentence_spans

CASES = {
    "abbreviations": ["Dr. Smith met Gen. Lee, i.e. the general, at 5 p.m. on Friday.", "He left."],
    "country": ["They flew to the U.S.", "The talks ended.", "The U.S. Treasury agreed."],
    "decimals": ["It grew to 5.03 million, or approx. 3.2 percent.", "It fell 0.5 percent."],
    "initials": ["J. K. Rowling and George W. Bush spoke.", "They agreed."],
    "numbers": ["See Fig. 3 and No. 5 in Vol. 2.", "It was 1984.", "Nobody knew."],
    "quotes": ["“It is a kind of competition.", "We will see it as a tool.”", "North Korea is not one."],
    "asked": ["“Are you sure?” he asked.", '"Yes!"', "She left (quickly.)", "Then it ended."],
    "ellipsis": ["People talk about… trying to bring it.", "Wait... what?"],
    "notes": ["It was built in 2012.[3][4]", "Then it burned.²", "The end."],
    "markdown": ["**It is bold.**", "It is _plain._", "See [the page. Here](http://a.b/c?d=1) for more."],
    "brands": ["Yahoo! said so.", "Apple Inc. said it too."],
    "Chinese": ["他来了。", "“你好吗？”他说。", "然后走了！"],
    "Japanese": ["これは本です。", "「行くよ。」と言った。", "そうか？"],
    "Arabic": ["مرحبا بالعالم.", "كيف حالك؟", "أنا بخير."],
    "Hindi": ["यह एक किताब है।", "वह आया।"],
    "lower case": ["hello there.", "this is all lower case.", "ok then"],
}
JOINED_WITHOUT_SPACE = {"Chinese", "Japanese"}


@pytest.mark.parametrize("name", CASES)
def test_sentences(name: str) -> None:
    text = ("" if name in JOINED_WITHOUT_SPACE else " ").join(CASES[name])
    if name == "Chinese":
        text = text.replace("“你好吗？”他说", "“你好吗？”，他说")
        expected = ["他来了。", "“你好吗？”，他说。", "然后走了！"]
    else:
        expected = CASES[name]
    assert [text[start:end] for start, end in sentence_spans(text)] == expected


def test_german_rules_for_german() -> None:
    text = "Das gilt z.B. für Nr. 5 und die Fa. Meier. Am 3. Oktober war frei."
    found = [text[start:end] for start, end in sentence_spans(text, "de-AT")]
    assert found == ["Das gilt z.B. für Nr. 5 und die Fa. Meier.", "Am 3. Oktober war frei."]


def test_markdown_blocks_are_boundaries() -> None:
    text = (
        "# Heading\nLead line\n\n- first item\n- second. With two\n1. third\n\n| a | b |\n|---|---|\n| c | d |\n\n"
        "> quoted words\n\n```\ncode = 1\n# not a heading\n```\n\nUnder\n=====\nLast line\nwrapped here"
    )
    found = [text[start:end] for start, end in sentence_spans(text)]
    assert found == [
        *("Lead line", "first item", "second.", "With two", "third", "a | b", "c | d", "quoted words"),
        *("code = 1", "# not a heading", "Last line\nwrapped here"),
    ]


def test_text_without_stops_is_cut_at_white_space() -> None:
    text = "word " * 1000
    found = [text[start:end] for start, end in sentence_spans(text)]
    assert max(map(len, found)) <= MAX_CHARACTERS
    assert " ".join(found) == text.strip()


@pytest.mark.parametrize("unit", ["a.", "! ", "[a](", "`a`", '"', "((", "**a", "- ", "文", "1. ", "|", "#", "> "])
def test_hostile_repetition_ends_soon(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    assert len(sentence_spans(text)) <= len(text)  # quadratic work would run into the test's time limit
