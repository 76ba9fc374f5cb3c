"""HTML -> article: ours beside trafilatura alone and readability-lxml, on labelled pages, in one run.

    python -m bench.extraction [--data FOLDER]

The score is that of the scrapinghub article-extraction-benchmark: words in shingles of four,
precision and recall of the multiset a page, averaged over pages, F1 of the averages; the
interval is a bootstrap over pages. Then how much of the metadata agrees with what the pages'
own JSON-LD says when that is hidden from the reader, which shows what the fallbacks are worth.
"""

import argparse
import gzip
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean

import lxml.html
import trafilatura

from bench.report import Table, data_folder, write
from ingest.readers import ReadError
from ingest.readers.html import parse_html, read_html
from ingest.readers.page_metadata import page_fields
from ingest.readers.text import decode

WORD = re.compile(r"\w+")
SHINGLE = 4
Extractor = Callable[[bytes, str], str]


def ours(page: bytes, url: str) -> str:
    """Our reader, Markdown marks included in what is scored."""
    return read_html(page, "page.html", url).text


def trafilatura_alone(page: bytes, url: str, **options: bool | str) -> str:
    """Trafilatura as a caller would use it."""
    return trafilatura.extract(page, url=url, **options) or ""


def readability_alone(page: bytes, url: str) -> str:
    """readability-lxml, its HTML flattened to text."""
    from readability import Document

    return lxml.html.fromstring(Document(decode(page)).summary()).text_content()


def extractors() -> dict[str, Extractor]:
    """Name -> extractor; readability only if it is installed."""
    found: dict[str, Extractor] = {
        "ours": ours,
        "trafilatura, default": trafilatura_alone,
        "trafilatura, no comments": partial(trafilatura_alone, include_comments=False),
        "trafilatura, precision": partial(trafilatura_alone, include_comments=False, favor_precision=True),
        "trafilatura, recall": partial(trafilatura_alone, include_comments=False, favor_recall=True),
        "trafilatura, Markdown": partial(trafilatura_alone, output_format="markdown"),
    }
    try:
        import readability  # noqa: F401
    except ImportError:
        return found
    return found | {"readability-lxml": readability_alone}


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """All runs of four words, counted."""
    words = WORD.findall(text)
    return Counter(tuple(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1)))


def score(truth: str, found: str) -> tuple[float, float]:
    """Precision and recall of one page."""
    wanted, got = shingles(truth), shingles(found)
    hit, extra, missed = (sum(c.values()) for c in (wanted & got, got - wanted, wanted - got))
    precision = 1.0 if extra == 0 and (missed == 0 or hit == 0) else hit / (hit + extra)
    recall = 1.0 if missed == 0 and (extra == 0 or hit == 0) else hit / (hit + missed)
    return precision, recall


def f1(scores: list[tuple[float, float]]) -> float:
    """F1 of the mean precision and the mean recall."""
    precision, recall = mean(p for p, _ in scores), mean(r for _, r in scores)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def interval(scores: list[tuple[float, float]], rounds: int = 500) -> float:
    """Half of the 95 % bootstrap interval of F1 over pages."""
    draw = random.Random(7)
    samples = sorted(f1(draw.choices(scores, k=len(scores))) for _ in range(rounds))
    return (samples[int(0.975 * rounds)] - samples[int(0.025 * rounds)]) / 2


def measure(extract: Extractor, pages: list[tuple[bytes, str, str]]) -> tuple[list[tuple[float, float]], float]:
    """The scores of all pages, and milliseconds of computing a page."""
    scores, start = [], time.process_time()
    for page, url, truth in pages:
        try:
            found = extract(page, url)
        except ReadError:
            found = ""
        scores.append(score(truth, found))
    return scores, (time.process_time() - start) / len(pages) * 1000


def fallbacks(pages: list[tuple[bytes, str, str]]) -> dict[str, dict[str, int]]:
    """What the reader says of title, author and date without JSON-LD, where JSON-LD says it."""
    from htmldate import find_date

    said: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    guessed: Counter[str] = Counter()
    for page, url, _ in pages:
        stated = page_fields(parse_html(decode(page)), url)
        tree = parse_html(decode(page))
        for script in list(tree.iter("script")):
            script.getparent().remove(script)
        hidden = page_fields(tree, url)
        for field in ("title", "author", "published"):
            if stated[field] and hidden[field]:
                said[field] += 1
                agreed[field] += _alike(field, stated[field], hidden[field])
        if stated["published"]:
            date = find_date(tree, url=url, original_date=True)
            guessed["said"] += date is not None
            guessed["agreed"] += date == stated["published"][:10]
    figures = {field: {"said": said[field], "same": agreed[field]} for field in ("title", "author", "published")}
    return figures | {"published, by htmldate": {"said": guessed["said"], "same": guessed["agreed"]}}


def _alike(field: str, one: str, other: str) -> bool:
    if field == "published":
        return one[:10] == other[:10]
    one, other = (" ".join(WORD.findall(text.lower())) for text in (one, other))
    return one in other or other in one


def main() -> None:
    """Print the tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder() / "extraction", help="ground-truth.json and html/")
    data = parser.parse_args().data
    if not (data / "ground-truth.json").is_file():
        print(f"No labelled pages at {data}: set BENCH_DATA or give --data.")
        return
    truth = json.loads((data / "ground-truth.json").read_text(encoding="utf-8"))
    pages = [
        (gzip.decompress((data / "html" / f"{key}.html.gz").read_bytes()), entry["url"], entry["articleBody"])
        for key, entry in truth.items()
    ]
    figures = {}
    for name, extract in extractors().items():
        scores, cost = measure(extract, pages)
        figures[name] = {
            "f1": round(f1(scores), 4),
            "interval": round(interval(scores), 4),
            "precision": round(mean(p for p, _ in scores), 4),
            "recall": round(mean(r for _, r in scores), 4),
            "ms_a_page": round(cost, 1),
        }
    said = fallbacks(pages)
    texts = Table(
        f"HTML to article, {len(pages)} labelled pages",
        ("reader", "F1 (± 95 %)", "precision", "recall", "ms a page"),
        [
            (name, f"{f['f1']:.3f} ± {f['interval']:.3f}", f"{f['precision']:.3f}", f"{f['recall']:.3f}",
             f"{f['ms_a_page']:.0f}")
            for name, f in figures.items()
        ],
    )  # fmt: skip
    fields = Table(
        "Metadata with JSON-LD hidden, on pages whose JSON-LD says it",
        ("field", "still found", "the same"),
        [(name, str(found["said"]), str(found["same"])) for name, found in said.items()],
    )
    write("extraction", {"pages": len(pages), "texts": figures, "metadata_without_json_ld": said}, [texts, fields])


if __name__ == "__main__":
    main()
