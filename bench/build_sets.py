"""Build evaluation sets about other corpora: `questions.jsonl` and a `corpus/` folder for each.

    python bench/build_sets.py squad OUT      # OUT/squad/questions.jsonl, OUT/squad/corpus/*.md
    python bench/build_sets.py news OUT       # OUT/news/...
    python bench/build_sets.py whole_news OUT # OUT/whole_news/dev.jsonl, heldout.jsonl, corpus/*.md
    python bench/build_sets.py news_train OUT # OUT/news_train/train.jsonl, corpus/*.md

Then `CORPUS_DIR=OUT/squad/corpus INDEX_DIR=OUT/squad/index python -m ingest sync` and, with the
same two variables, `python -m app evaluate OUT/squad/questions.jsonl`.

The data are read from the folder named by BENCH_DATA (default `../shared/data` beside the project);
what is built from them is under their licences, so OUT should lie outside the repository. The same
data, sizes and seed always give the same files. The format of the questions and how each set is
made, with its limits, are described in `bench/questions/README.md`. `whole_news` is the corpus of
`bench/questions/news_dev.jsonl` and `news_heldout.jsonl`, `news_train` that of `news_train.jsonl`; the
questions of both were written by hand.

Knows nothing of the product: standard library only.
"""

import argparse
import json
import os
import random
import re
import sys
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Row = dict[str, object]
SEED = 7
QUESTIONS = Path(__file__).resolve().parent / "questions"

REMOVED_SHARE = 0.25  # of the squad articles: taken out whole, so that their questions have no answer
LONGEST_ANSWER = 5  # words of the shortest accepted answer: a longer one is never met word for word
SHORTEST_ANSWER = 3  # characters: a shorter one ("2", "no") occurs in any answer by accident
MOST_PER_ANSWER = 5  # news: two names are the answer of 60 % of the questions
WHOLE_NEWS = (  # start of the id, title, author and day of publication ("" where the page does not say)
    ("686bb170", "The Weird Plumes of Jupiter's Moon Europa Are Spewing Water Vapor", "Mike Wall", "2019-11-18"),
    ("ea25dd7e", "Three Cases of Plague Diagnosed in China", "Brigit Katz", "2019-11-18"),
    ("bc13ff87", "WeWork employees to be laid off this week", "David Jeans", "2019-11-18"),
    ("e7994d55", "UK Tories under fire for Twitter name switch during debate", "Danica Kirka", "2019-11-20"),
    ("833caf3b", "World Community Lashes Out at US over Israeli Settlements", "Al-Bawaba", "2019-11-20"),
    ("0d461229", "Nadal keeps Spain alive against Russia in Davis Cup Finals", "", ""),
    ("05844573", "New SUVs and electric vehicles highlight L.A. Auto Show", "Tom Krisher", "2019-11-20"),
    ("9cb8224b", "The Doobie Brothers Set 50th Anniversary Tour of North America", "Lars Brandle", "2019-11-19"),
    ("3c5bf8db", "Physicists Just Created the Most Detailed Simulation of the Universe", "Tim Childers", "2019-11-19"),
    ("d1c57d78", "NASA adds five companies to commercial lunar lander program", "Jeff Foust", "2019-11-18"),
    ("7bb1ca90", "A Man Developed 'Feather Duvet Lung' After Getting New Bedding", "Ed Cara", "2019-11-18"),
    ("374ac9a5", "Emirates inks order for 30 Boeing 787 jets, talks expansion plans", "Natasha Turak", "2019-11-20"),
    ("aec5deea", "7 key questions heading into the 2020 Democratic debate", "Steve Peoples", "2019-11-20"),
    ("ecb46e3e", "Nelson's OT goal lifts Isles", "Associated Press", "2019-11-20"),
    ("70cb2d5b", "Taylor Swift's AMA row seems to be over", "BBC News", "2019-11-19"),
    ("08f79376", "Browns player on Mason Rudolph's role in fight: He asked for it", "Bryan DeArdo", "2019-11-19"),
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_COMMON = frozenset(("what", "which", "when", "where", "whom", "whose", "that", "this", "with", "from", "have", "does"))


@dataclass(frozen=True)
class Question:
    """A line of an evaluation file; see `bench/questions/README.md`."""

    id: str
    question: str
    answer: list[list[str]]
    evidence: list[str]
    kind: str


@dataclass(frozen=True)
class Article:
    """A document of the corpus to write: its front matter and its paragraphs."""

    front: dict[str, str]
    paragraphs: list[str]


@dataclass(frozen=True)
class Source:
    """A retrieval set as it lies on disk; `gold` maps a query id to the ids of its passages."""

    passages: dict[str, Row]
    queries: list[Row]
    gold: dict[str, list[str]]


def load(folder: Path) -> Source:
    """Read `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`; raises `FileNotFoundError`."""
    passages = {str(row["doc_id"]): row for row in _lines(folder / "corpus.jsonl")}
    gold = defaultdict(list)
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query_id, passage_id, score = line.split("\t")
        if int(score) > 0:
            gold[query_id].append(passage_id)
    return Source(passages, list(_lines(folder / "queries.jsonl")), dict(gold))


def squad(source: Source, answerable: int, unanswerable: int, seed: int) -> tuple[list[Question], list[Article]]:
    """Questions on Wikipedia articles; the unanswerable ones ask about articles that were removed.

    A question about a removed article is left out when a passage that stays has one of its answers
    and half of its words: it might be answered after all.
    """
    chance = random.Random(seed)
    titles = sorted({str(passage["title"]) for passage in source.passages.values()})
    removed = set(chance.sample(titles, round(len(titles) * REMOVED_SHARE)))
    kept = [_clean(row["text"]) for row in source.passages.values() if row["title"] not in removed]
    queries = chance.sample(source.queries, len(source.queries))
    questions: list[Question] = []
    wanted = {True: answerable, False: unanswerable}
    for query in queries:
        passage = source.passages[source.gold[str(query["qid"])][0]]
        stays = passage["title"] not in removed
        made = _squad_question(query, _clean(passage["text"]))
        if made is None or wanted[stays] == 0:
            continue
        if not stays and _might_be_answered(made, kept):
            continue
        wanted[stays] -= 1
        questions.append(made if stays else _without_answer(made, "unanswerable_removed"))
    return questions, _articles(row for row in source.passages.values() if row["title"] not in removed)


def news(source: Source, answerable: int, unanswerable: int, seed: int) -> tuple[list[Question], list[Article]]:
    """Questions that join several news articles, and the set's own null queries.

    Of the answerable types only `inference_query` is taken (who or what is meant): most others are
    answered by yes or no, which a search for a string in a sentence cannot mark.
    """
    chance = random.Random(seed)
    questions: list[Question] = []
    seen: Counter[str] = Counter()
    wanted = {True: answerable, False: unanswerable}
    for query in chance.sample(source.queries, len(source.queries)):
        null = query["type"] == "null_query"
        if wanted[not null] == 0 or not (null or query["type"] == "inference_query"):
            continue
        answers = _alternatives(query["answers"])
        made = Question(f"news-{query['qid']}", _clean(query["text"]), [answers], [], "multi")
        if null:
            questions.append(_without_answer(made, "unanswerable_null"))
        elif seen[answers[-1]] == MOST_PER_ANSWER or _echoes(made):
            continue
        else:
            gold = [_clean(source.passages[key]["text"]) for key in source.gold[str(query["qid"])]]
            questions.append(Question(made.id, made.question, made.answer, gold, made.kind))
            seen[answers[-1]] += 1
        wanted[not null] -= 1
    return questions, _articles(source.passages.values())


def whole_news(folder: Path, chosen: Iterable[Sequence[str]] = WHOLE_NEWS) -> list[Article]:
    """The `chosen` articles, a paragraph for each line; raises `FileNotFoundError`."""
    texts = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    articles = []
    for start, *front in chosen:
        (text,) = (row["articleBody"] for key, row in texts.items() if key.startswith(start))
        named = zip(("title", "author", "published"), front, strict=True)
        paragraphs = [_clean(line) for line in text.splitlines() if line.strip()]
        articles.append(Article({name: value for name, value in named if value}, paragraphs))
    return articles


def news_train(folder: Path) -> list[Article]:
    """The articles of `news_train_articles.json`; raises `FileNotFoundError`."""
    return whole_news(folder, json.loads((QUESTIONS / "news_train_articles.json").read_text(encoding="utf-8")))


def write_whole_news(out: Path, articles: list[Article], names: Sequence[str] = ("dev", "heldout")) -> None:
    """Write the corpus, and bench/questions/news_NAME.jsonl with the evidence that their spans stand for.

    The spans count characters of an article's paragraphs with an empty line between them. The questions are ours, the
    articles are not: so no text of theirs stands in the repository. Raises `FileExistsError` if the corpus is there.
    """
    write_corpus(out / "corpus", articles)
    for name in names:
        lines = (QUESTIONS / f"news_{name}.jsonl").read_text(encoding="utf-8").splitlines()
        found = [_with_evidence(json.loads(line), articles) for line in lines]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        (out / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _with_evidence(row: Row, articles: list[Article]) -> Row:
    body = "\n\n".join(articles[int(str(row["article"]))].paragraphs)
    spans: Any = row["spans"]
    told = {name: value for name, value in row.items() if name not in ("article", "spans")}
    return {**told, "evidence": [body[start:end] for start, end in spans]}


SETS = {"squad": ("squad_new_wiki", squad), "news": ("multihop_news", news)}
WHOLE: dict[str, tuple[Callable[[Path], list[Article]], tuple[str, ...]]] = {
    "whole_news": (whole_news, ("dev", "heldout")),
    "news_train": (news_train, ("train",)),
}


def _squad_question(query: Row, passage: str) -> Question | None:
    """The question with its evidence; None if no string search could mark an answer to it fairly."""
    answers = [text for text in _alternatives(query["answers"]) if len(text) >= SHORTEST_ANSWER]
    made = Question(f"squad-{query['qid']}", _clean(query["text"]), [answers], [], "fact")
    if not answers or min(len(text.split()) for text in answers) > LONGEST_ANSWER or _echoes(made):
        return None
    found = [s for s in _SENTENCE_END.split(passage) if any(a.lower() in s.lower() for a in answers)]
    if not found:  # the answer runs over the end of a sentence
        return None
    asked = _words(made.question)
    best = max(found, key=lambda sentence: len(asked & _words(sentence)))
    return Question(made.id, made.question, made.answer, [best], made.kind)


def _without_answer(question: Question, kind: str) -> Question:
    return Question(question.id, question.question, [], [], kind)


def _alternatives(answers: object) -> list[str]:
    """The set's answers and, for each, the same without its article and outer punctuation."""
    assert isinstance(answers, list)
    found: dict[str, None] = {}
    for answer in map(_clean, answers):
        bare = re.sub(r"^(?:the|an?)\s+", "", answer.strip(" .,;:\"'"), flags=re.IGNORECASE)
        found.update(dict.fromkeys(text for text in (answer, bare) if text))
    return list(found)


def _echoes(question: Question) -> bool:
    """An answer that only repeats the question would be marked right."""
    asked = question.question.lower()
    return any(text.lower() in asked for fact in question.answer for text in fact)


def _might_be_answered(question: Question, passages: list[str]) -> bool:
    asked = _words(question.question)
    answers = [text.lower() for fact in question.answer for text in fact]
    return any(
        any(answer in passage.lower() for answer in answers) and 2 * len(asked & _words(passage)) >= len(asked)
        for passage in passages
    )


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w{4,}", text.lower()) if word not in _COMMON}


def _clean(text: object) -> str:
    """White space to single spaces: a passage becomes one Markdown paragraph."""
    return " ".join(str(text).split())


def _articles(passages: Iterable[Row]) -> list[Article]:
    """Passages of one title joined into one article, in the order of the corpus."""
    articles: dict[str, Article] = {}
    for row in passages:
        title = urllib.parse.unquote(_clean(row["title"]))
        article = articles.get(title)
        if article is None:
            front = {
                "title": title,
                "url": row.get("url"),
                "published": row.get("date"),
                "site": row.get("source"),
            }
            article = articles[title] = Article({k: str(v) for k, v in front.items() if v}, [])
        article.paragraphs.append(_clean(row["text"]))
    return list(articles.values())


def _lines(path: Path) -> Iterable[Row]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def write(folder: Path, questions: list[Question], articles: list[Article]) -> None:
    """Write `questions.jsonl` and `corpus/*.md`; raises `FileExistsError` if the corpus is there."""
    write_corpus(folder / "corpus", articles)
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as out:
        for question in questions:
            out.write(json.dumps({**asdict(question), "history": []}, ensure_ascii=False) + "\n")


def write_corpus(corpus: Path, articles: list[Article]) -> None:
    """Write a Markdown file for each article; raises `FileExistsError` if the folder is there."""
    corpus.mkdir(parents=True)
    for number, article in enumerate(articles):
        slug = re.sub(r"[^a-z0-9]+", "-", article.front["title"].lower()).strip("-")[:60]
        # A JSON string is a YAML string too.
        front = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in article.front.items()]
        body = "\n\n".join(article.paragraphs)
        text = "\n".join(["---", *front, "---", "", body, ""])
        (corpus / f"{number:03}-{slug}.md").write_text(text, encoding="utf-8")


def data_folder() -> Path:
    """The folder with the sets: BENCH_DATA, else `../shared/data` beside the project."""
    return Path(os.environ.get("BENCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def main(arguments: list[str] | None = None) -> int:
    """Build one set; returns the exit status."""
    parser = argparse.ArgumentParser(description="Build an evaluation set about another corpus.")
    parser.add_argument("set", choices=[*sorted(SETS), *WHOLE])
    parser.add_argument("out", type=Path, help="folder to write to; a folder named after the set is made in it")
    parser.add_argument("--answerable", type=int, default=60)
    parser.add_argument("--unanswerable", type=int, default=30)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    name = f"retrieval/{SETS[options.set][0]}" if options.set in SETS else "extraction"
    data, out = data_folder() / name, options.out / options.set
    if not data.is_dir():
        print(
            f"There is no data in {data}: set BENCH_DATA to the folder that holds {name}.",
            file=sys.stderr,
        )
        return 1
    if (out / "corpus").exists():
        print(f"{out / 'corpus'} is there already: remove it or name another folder.", file=sys.stderr)
        return 1
    if options.set in WHOLE:
        read, names = WHOLE[options.set]
        articles = read(data)
        write_whole_news(out, articles, names)
        print(f"{out}: {len(articles)} articles, {' and '.join(f'{name}.jsonl' for name in names)}")
        return 0
    build = SETS[options.set][1]
    questions, articles = build(load(data), options.answerable, options.unanswerable, options.seed)
    write(out, questions, articles)
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(q.kind for q in questions).items())
    print(f"{out}: {len(articles)} articles; {len(questions)} questions: {kinds}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
