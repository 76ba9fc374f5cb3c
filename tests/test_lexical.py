"""Tokens and BM25."""

import pytest

from ingest.lexical import Collection, bm25, guess_language, query_tokens, tokens


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Korea’s visits, visited!", "en", ["korea", "visit", "visit"]),
        ("The U.S. and the US, not us", "en", ["the", "u.s", "and", "the", "u.s", "not", "us"]),
        ("$50,000 or 5.03 in 2012", "en", ["50000", "or", "5.03", "in", "2012"]),
        ("self-sufficiency", "en", ["self", "suffici"]),
        ("Estação Paulo", "pt", ["estaca", "paul"]),
        ("Straße ＡＢＣ", "xx", ["strasse", "abc"]),
        ("東京タワー", "ja", ["東京", "京タ", "タワ", "ワー"]),
        ("書", "zh", ["書"]),
        ("ภาษาไทย", "th", ["ภา", "าษ", "ษา", "าไ", "ไท", "ทย"]),
        ("الكُتُب", "xx", ["الكتب"]),
        ("«___» — !", "en", []),
    ],
)
def test_tokens(text: str, language: str, expected: list[str]) -> None:
    assert tokens(text, language) == expected


def test_queries_lose_stop_words_unless_there_is_nothing_else() -> None:
    assert query_tokens("Which of the countries did they visit?", ["en"]) == ["countri", "visit"]
    assert query_tokens("to be or not to be", ["en"]) == ["to", "be", "or", "not"]
    assert query_tokens("the US", ["en"]) == ["u.s"]
    assert query_tokens("houses Häuser", ["en", "de"]) == ["hous", "hauser", "haus"]


def test_languages_are_told_apart() -> None:
    assert guess_language("Der Hund und die Katze sind nicht in dem Haus, aber sie kommen bald.") == "de"
    assert guess_language("Le chat est dans la maison et il ne veut pas sortir avec nous.") == "fr"
    assert guess_language("The cat is in the house and it does not want to go out with us.") == "en"
    assert guess_language("???") == "en"


def test_bm25_prefers_rare_words_and_short_passages() -> None:
    facts = Collection(10, 4.0, {"rare": 1, "often": 9})
    assert bm25(["rare"], [], ["rare", "x"], facts) > bm25(["often"], [], ["often", "x"], facts) > 0
    assert bm25(["rare"], [], ["rare"], facts) > bm25(["rare"], [], ["rare", *"abcdefgh"], facts)
    assert bm25(["rare"], ["rare"], ["x"], facts) > 0 == bm25(["absent"], [], ["rare"], facts)
