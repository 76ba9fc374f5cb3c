"""The quick subset of the benches, held against the floors of bench/floors.json; CI runs it as a test.

    python -m bench.gate                           # figures beside their floors; exit status 1 below one
    python -m bench.gate --pin                     # pin new figures, and those that rose; lowers none
    python -m bench.gate --lower NAME "the reason" # pin this one though it fell; the reason stays in the file

A floor is the low end of the figure's 95 % interval when it was pinned, with the SHA-256 of the data.
A figure below its floor, or data that changed without a pin, is a fault. Sets that are not there are
told and left out.
"""

import argparse
import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from app.evidence import select_evidence
from app.relevance import Query
from app.retrieve import retrieve
from bench import checker, claim_sets, extraction
from bench.measures import measures, new_at_rank
from bench.report import ROOT, Table, cell, data_folder, share
from bench.retrieval_sets import RetrievalSet, folder, load, open_store, own, sha256
from ingest.embed import LocalEmbedder
from ingest.store import Store

FLOORS = ROOT / "bench" / "floors.json"
QUESTIONS = ROOT / "bench" / "questions" / "article_dev.jsonl"
PAGES = 20  # of the extraction set
SAMPLES = {
    "multihop_news": ("recall@10", 40, 40),
    "squad_new_wiki": ("recall@5", 40, 40),
    "scifact": ("nDCG@10", 20, 30),
}
SEED = 7


@dataclass(frozen=True)
class Figure:
    """A figure with its cases' values; `data` is the hash of what it was measured on."""

    name: str
    data: str
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """The mean."""
        return mean(self.values)


@dataclass(frozen=True)
class Verdict:
    """A figure beside its floor; `fault` is "" when it holds."""

    figure: Figure
    floor: float | None
    fault: str


def article_figures(store: Store) -> Iterator[Figure]:
    """Retrieval and evidence on the article's questions, from the store of corpus/."""
    found, data = own(QUESTIONS, store), _sha256(QUESTIONS, *sorted((ROOT / "corpus").glob("*.md")))
    recalls, shown = [], []
    for asked in found.queries:
        hits = retrieve(store, asked.text, k=8)
        places = [(hit.passage.span.document_id, hit.passage.span.start, hit.passage.span.end) for hit in hits]
        recalls.append(measures(new_at_rank(asked, places, by_document=False), len(asked.gold))["recall@5"])
        spans = [item.span for item in select_evidence(Query.read(store, asked.text), hits)]
        met = [any(gold.met_by(s.document_id, s.start, s.end) for s in spans) for gold in asked.gold]
        shown.append(sum(met) / len(met))
    yield Figure("article: passages, recall@5", data, tuple(recalls))
    yield Figure("article: gold sentences among the evidence", data, tuple(shown))


def checker_figures() -> Iterator[Figure]:
    """The checker's verdicts on the hand-made claims about the article."""
    outcomes = checker.judge(claim_sets.article(), LocalEmbedder())
    right = [float((o.probability >= checker.model.THRESHOLD) == o.claim.supported) for o in outcomes]
    yield Figure("article: claims judged rightly", _sha256(claim_sets.ARTICLE_CLAIMS), tuple(right))


def set_figures(base: Path) -> Iterator[Figure]:
    """Retrieval on samples of the public sets that are there; their stores are kept in `base`."""
    for name, (measure, queries, distractors) in SAMPLES.items():
        if folder(name).is_dir():
            found = load(name, queries, distractors, SEED)
            yield Figure(f"{name}: {measure}", sha256(name), _values(found, open_store(found, base), measure))


def extraction_figures() -> Iterator[Figure]:
    """F1 of each of a sample of labelled pages, if the set is there."""
    data = data_folder() / "extraction"
    if not (data / "ground-truth.json").is_file():
        return
    truth = json.loads((data / "ground-truth.json").read_text(encoding="utf-8"))
    values = []
    for key in random.Random(SEED).sample(sorted(truth), PAGES):
        page = gzip.decompress((data / "html" / f"{key}.html.gz").read_bytes())
        found = extraction.ours(page, truth[key]["url"])
        values.append(extraction.f1([extraction.score(truth[key]["articleBody"], found)]))
    yield Figure("extraction: F1 a page", _sha256(data / "ground-truth.json"), tuple(values))


def hold(figures: Sequence[Figure], floors: dict[str, Any]) -> list[Verdict]:
    """Each figure against its floor."""
    return [_verdict(figure, floors.get(figure.name)) for figure in figures]


def _verdict(figure: Figure, floor: dict[str, Any] | None) -> Verdict:
    if floor is None:
        return Verdict(figure, None, "has no floor: run `python -m bench.gate --pin`")
    low = float(floor["low"])
    if floor["data"] != figure.data:
        return Verdict(figure, low, "its data changed: run `python -m bench.gate --pin`, and say why in the commit")
    if figure.value < low:
        return Verdict(figure, low, f"fell to {figure.value:.4f}, below {low:.4f} ({floor['value']:.4f} when pinned)")
    return Verdict(figure, low, "")


def pin(figures: Sequence[Figure], floors: dict[str, Any], lower: str = "", why: str = "") -> dict[str, Any]:
    """The floors with new and risen figures pinned; `lower` names the one that may fall, for a reason."""
    pinned = dict(floors)
    for figure in figures:
        old, new = floors.get(figure.name), {**share(figure.values), "data": figure.data}
        fell = old and old["data"] == figure.data and new["value"] < old["value"]
        if fell and figure.name != lower:
            continue
        pinned[figure.name] = {**new, "lowered": [*(old or {}).get("lowered", [])]}
        if old and fell:
            pinned[figure.name]["lowered"].append({"from": old["value"], "to": new["value"], "why": why})
    return pinned


def read_floors() -> dict[str, Any]:
    """The pinned floors by figure."""
    return dict(json.loads(FLOORS.read_text(encoding="utf-8"))) if FLOORS.exists() else {}


def _values(found: RetrievalSet, store: Store, measure: str) -> tuple[float, ...]:
    values = []
    for asked in found.queries:
        hits = retrieve(store, asked.text, k=30)
        places = [(hit.passage.span.document_id, hit.passage.span.start, hit.passage.span.end) for hit in hits]
        values.append(measures(new_at_rank(asked, places, found.by_document), len(asked.gold))[measure])
    return tuple(values)


def _sha256(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Run the gate, or pin."""
    from bench.report import CACHE
    from bench.retrieval_sets import settings_for
    from ingest.sync import sync

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pin", action="store_true", help="pin new and risen figures")
    parser.add_argument("--lower", nargs=2, metavar=("NAME", "REASON"), default=("", ""), help="pin one that fell")
    options = parser.parse_args()
    settings = settings_for(ROOT / "corpus", CACHE / "article")
    sync(settings)
    parts: list[Callable[[], Iterator[Figure]]] = [
        lambda: article_figures(Store.open(settings)), checker_figures, lambda: set_figures(CACHE / "gate"),
        extraction_figures,
    ]  # fmt: skip
    figures = [figure for part in parts for figure in part()]
    floors = read_floors()
    if options.pin or options.lower[0]:
        floors = pin(figures, floors, *options.lower)
        FLOORS.write_text(json.dumps(floors, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    verdicts = hold(figures, floors)
    rows = [
        [v.figure.name, cell(share(v.figure.values)), "-" if v.floor is None else f"{100 * v.floor:.1f}", v.fault]
        for v in verdicts
    ]
    print(Table("Gate", ("figure", "now", "floor", "fault"), rows).markdown())
    return 1 if any(v.fault for v in verdicts) else 0


if __name__ == "__main__":
    raise SystemExit(main())
