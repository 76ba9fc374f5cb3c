"""Labelled claims from public sets: what the checker is fitted and measured on.

FaithBench has human labels on summaries by models; SciFact has expert labels on claims; of SQuAD's
passages and questions claims are made here, some true to the passage, some corrupted.
The data is read from BENCH_DATA (default ../shared/data) and is not part of this repository.
"""

import json
import os
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench import corruption
from ingest.document import Document, Metadata
from ingest.sentences import sentence_spans
from ingest.settings import ROOT

ARTICLE_CLAIMS = Path(__file__).parent / "questions" / "claims_article.jsonl"
SEED = 7


@dataclass(frozen=True)
class Labelled:
    """A claim about `document`, whose sentences are the evidence; `cited` are numbers from 1.

    `kind` is how it was made; `origin` names what it must not share between fit and test.
    """

    name: str
    kind: str
    origin: str
    document: Document
    question: str
    text: str
    cited: tuple[int, ...]
    supported: bool

    @property
    def part(self) -> str:
        """ "fit" (60 %), "test" (20 %) or "held" (20 %), by origin: no document is in two."""
        share = sha256(f"{self.name}:{self.origin}".encode()).digest()[0] / 256
        return "fit" if share < 0.6 else "test" if share < 0.8 else "held"


def data_folder() -> Path:
    """BENCH_DATA, default ../shared/data beside the project. Raises `SystemExit` when it is missing."""
    folder = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        raise SystemExit(f"no measuring data at {folder}: set BENCH_DATA to the folder that holds verify/")
    return folder


def public() -> list[Labelled]:
    """The claims of all public sets. Raises `SystemExit` when the data is missing."""
    data = data_folder()
    return [*faithbench(data), *squad(data), *scifact(data)]


def article() -> list[Labelled]:
    """Hand-made claims about the article in corpus/, never fitted on."""
    from ingest.corpus import read_document

    path = next((ROOT / "corpus").glob("*.md"))
    document = read_document(path)
    lines = [json.loads(line) for line in ARTICLE_CLAIMS.read_text("utf-8").splitlines()]
    return [
        Labelled("article", line["kind"], "article", document, line["question"], line["claim"], (), line["supported"])
        for line in lines
    ]


def faithbench(data: Path) -> list[Labelled]:
    """Sentences of summaries with the labels that people gave them.

    Unsupported if a person marked part of it "Unwanted", supported if nobody marked anything;
    those only called benign or questionable are left out.
    """
    claims = []
    for path in sorted((data / "verify" / "faithbench").glob("batch_*.json")):
        for sample in json.loads(path.read_text("utf-8"))["samples"]:
            document = Document(sample["source"], Metadata(title=""))
            for start, end in sentence_spans(sample["summary"]):
                labels = _labels(sample["annotations"], start, end)
                text = sample["summary"][start:end]
                if (labels and "Unwanted" not in labels) or _preamble(text):
                    continue
                claims.append(Labelled("faithbench", "model", document.document_id, document, "", text, (), not labels))
    return _unique(claims)


def _labels(annotations: Sequence[dict[str, object]], start: int, end: int) -> set[str]:
    """The top labels of the annotations that touch characters start to end."""
    touching = [a for a in annotations if int(a["summary_start"]) < end and int(a["summary_end"]) > start]  # type: ignore[call-overload]
    return {str(label).split(".")[0] for a in touching for label in a["label"]}  # type: ignore[attr-defined]


def _preamble(text: str) -> bool:
    return bool(re.search(r"\b(?:summary|passage)\b.*:?$", text, re.IGNORECASE)) or len(text.split()) < 4


def _unique(claims: list[Labelled]) -> list[Labelled]:
    return list({(c.document.document_id, c.text): c for c in claims}.values())


def scifact(data: Path) -> list[Labelled]:
    """Claims against an abstract that supports or contradicts them, by expert label, or is only similar."""
    folder = data / "retrieval" / "scifact"
    corpus = {line["doc_id"]: line for line in _lines(folder / "corpus.jsonl")}
    gold: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        gold[line.split("\t")[0]].add(line.split("\t")[1])
    rarity = _rarity(entry["title"] + " " + entry["text"] for entry in corpus.values())
    words = {key: _words(entry["title"] + " " + entry["text"]) for key, entry in corpus.items()}
    claims = []
    for query in _lines(folder / "queries.jsonl"):
        verdicts = {key: verdict == "SUPPORT" for key, verdict, _ in query["evidence"]}
        asked = _words(query["text"])
        others = [key for key in corpus if key not in gold[query["qid"]]]
        near = max(others, key=lambda key: sum(rarity[word] for word in asked & words[key]))
        for key, supported in [*verdicts.items(), (near, False)]:
            kind = "similar" if key == near else "supporting" if supported else "contradicting"
            document = Document(corpus[key]["text"], Metadata(title=corpus[key]["title"]))
            claims.append(Labelled("scifact", kind, query["qid"], document, "", query["text"], (), supported))
    return claims


def squad(data: Path, per_article: int = 30) -> list[Labelled]:
    """Claims made of passages and of questions with their answers, true and corrupted."""
    folder = data / "retrieval" / "squad_new_wiki"
    articles: dict[str, list[dict[str, str]]] = defaultdict(list)
    for entry in _lines(folder / "corpus.jsonl"):
        articles[entry["title"]].append(entry)
    gold = dict(line.split("\t")[:2] for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:])
    asked: dict[str, list[dict[str, object]]] = defaultdict(list)
    for query in _lines(folder / "queries.jsonl"):
        asked[gold[query["qid"]]].append(query)
    claims = []
    for title, entries in sorted(articles.items()):
        rng = random.Random(f"{SEED}:{title}")
        made = list(_squad_article(title, entries, asked, rng))
        asked_for = [claim for claim in made if claim.question]
        made = [claim for claim in made if not claim.question]
        claims += asked_for + rng.sample(made, min(per_article, len(made)))
        claims += _misrounded(title, entries)
    return claims


def _squad_article(
    title: str, entries: list[dict[str, str]], asked: dict[str, list[dict[str, object]]], rng: random.Random
) -> Iterator[Labelled]:
    """All claims of one article; the evidence of each is its passage and the two after it."""
    for at, entry in enumerate(entries):
        passages = [entry, *(entries[(at + step) % len(entries)] for step in (1, 2) if len(entries) > 2)]
        document = Document("\n\n".join(p["text"] for p in passages), Metadata(title=title))
        texts = [document.text[a:b] for a, b in sentence_spans(document.text)]
        inside = [n for n, (_, b) in enumerate(sentence_spans(document.text)) if b <= len(entry["text"])]

        def claim(kind: str, text: str, cited: Sequence[int], supported: bool, question: str = "") -> Labelled:
            numbers = tuple(n + 1 for n in cited)
            return Labelled("squad", kind, title, document, question, text, numbers, supported)  # noqa: B023

        for n in rng.sample(inside, min(2, len(inside))):
            for kind, text, supported in corruption.variants(texts, n, rng):
                cited = rng.choice([(n,), (n,), (), (rng.randrange(len(texts)),)])
                yield claim(kind, text, cited, supported)
        without = [texts[n] for n in inside]
        if len(entries) > 4 and without:
            other = Document("\n\n".join(e["text"] for e in entries if e is not entry)[:6000], Metadata(title=title))
            text = rng.choice(without)
            if len(text.split()) > 7:
                yield Labelled("squad", "unrelated", title, other, "", text, (), False)
        queries = asked[entry["doc_id"]]
        for query in queries:
            wrong = [a for q in queries if q is not query for a in q["answers"]]  # type: ignore[attr-defined]
            for kind, text, supported in corruption.answers(str(query["text"]), query["answers"], wrong, rng):  # type: ignore[arg-type]
                yield claim(kind, text, (), supported, str(query["text"]))


def _misrounded(title: str, entries: list[dict[str, str]]) -> Iterator[Labelled]:
    """The sentences with a large number, which is rounded to the wrong side."""
    for entry in entries:
        document = Document(entry["text"], Metadata(title=title))
        for number, (start, end) in enumerate(sentence_spans(document.text), 1):
            if text := corruption.misrounded(document.text[start:end]):
                yield Labelled("squad", "misrounded", title, document, "", text, (number,), False)


def _lines(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)  # type: ignore[misc]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w{3,}", text.lower()))


def _rarity(texts: Iterator[str]) -> dict[str, float]:
    counts: dict[str, int] = defaultdict(int)
    for text in texts:
        for word in _words(text):
            counts[word] += 1
    return defaultdict(float, {word: 1 / count for word, count in counts.items()})
