"""Ingest rate: ours beside the bare embedder on the same texts, and beside llama-index's default pipeline on Chroma.

    python -m bench.ingest [--kilobytes N] [--rounds N] [--chroma-model FOLDER]

Timed one after the other on the same articles, each into a new folder and with its model loaded
before: the embedder alone on exactly the passages that `sync` embeds; `sync` of the corpus folder;
both some rounds, in turns. Then, once, llama-index's SimpleDirectoryReader, IngestionPipeline,
SentenceSplitter and ChromaVectorStore with Chroma's default embedder. Its default chunks have 1,024
tokens, of which that embedder reads 256, so it also runs with chunks as small as ours; both with
fp32 weights, as Chroma ships them, and with our int8 ones. Computing time (of all threads) stands
beside wall time, since another load on the machine bends the latter. Last, peak memory by size of
the corpus (`bench.ingest_memory`).
"""

import argparse
import gc
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.default_pipeline import chroma_models, llama_index
from bench.ingest_memory import memory
from bench.report import Table, data_folder, write
from ingest.corpus import corpus_files, read_document, write_document
from ingest.document import Document, Metadata
from ingest.embed import MAX_TOKENS, TOKENIZER_FILE, LocalEmbedder, checked_file
from ingest.settings import Settings, load_settings
from ingest.split import embedding_text, split
from ingest.sync import sync

BARE, OURS = "the embedder alone", "ours, `sync`"
# Chunks of 200 tokens, with what llama-index adds, fit the embedder's 256.
CHUNKS = {"chunks of 200 tokens": 200, "its default chunks": None}


def articles(kilobytes: int) -> Iterator[Document]:
    """Articles of the public Wikipedia set, whole, until there is so much text."""
    paragraphs: dict[str, list[str]] = {}
    path = data_folder() / "retrieval" / "squad_new_wiki" / "corpus.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        paragraphs.setdefault(entry["title"], []).append(entry["text"])
    size = 0
    for title, texts in paragraphs.items():
        if size > 1000 * kilobytes:
            return
        text = "\n\n".join(texts)
        size += len(text)
        yield Document(text, Metadata(title, language="en"))


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds of the clock and of computing that `work` takes."""
    gc.collect()
    wall, computing = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "computing": time.process_time() - computing}


@contextmanager
def new_index(settings: Settings) -> Iterator[Settings]:
    """The same corpus with an index folder of its own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
    try:
        yield load_settings({"CORPUS_DIR": str(settings.corpus_dir), "INDEX_DIR": str(folder)}, folder / "no.env")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tokens(texts: Sequence[str]) -> dict[str, int]:
    """How many texts, their tokens, and those that the embedder reads."""
    lengths = [len(encoding.ids) for encoding in _untruncated().encode_batch(list(texts))]
    return {"chunks": len(texts), "tokens": sum(lengths), "read": sum(min(MAX_TOKENS, one) for one in lengths)}


def _untruncated() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(checked_file(TOKENIZER_FILE).decode("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def run(settings: Settings, rounds: int, models: Mapping[str, Any]) -> dict[str, Any]:
    """Every system's seconds, round by round, and what it stored; `models` are Chroma's by their weights."""
    embedder = LocalEmbedder()
    documents = [read_document(path) for path in corpus_files(settings.corpus_dir)]
    texts = [embedding_text(document.metadata, passage) for document in documents for passage in split(document)]
    for function in models.values():
        warm_up(embedder, function)
    systems: dict[str, list[dict[str, float]]] = {BARE: [], OURS: []}
    stored = {OURS: {**_tokens(texts), "characters": sum(len(document.text) for document in documents)}}
    for _ in range(rounds):
        systems[BARE].append(timed(lambda: embedder.embed(texts)))
        with new_index(settings) as fresh:
            systems[OURS].append(timed(lambda: sync(fresh, embedder=embedder)))
    for chunks, size in CHUNKS.items():
        for weights, function in models.items():
            found: list[Sequence[str]] = []
            work = partial(llama_index, settings.corpus_dir, function, size)
            name = f"llama-index, {chunks}, {weights}"
            systems[name] = [timed(lambda: found.append(work()))]  # noqa: B023
            stored[name] = _tokens(found[0])
    return {"seconds": systems, "stored": stored}


def warm_up(embedder: LocalEmbedder, function: Any) -> None:
    """Models, imports and caches of both, on a short article, so that no clock counts them."""
    with tempfile.TemporaryDirectory(prefix="bench-warm-") as place:
        settings = load_settings({"CORPUS_DIR": place}, Path(place) / "no.env")
        write_document(settings.corpus_dir, Document("It is warm. " * 50, Metadata("Warm")))
        with new_index(settings) as fresh:
            sync(fresh, embedder=embedder)
        llama_index(settings.corpus_dir, function, None)


def main() -> None:
    """Print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kilobytes", type=int, default=250, help="text to ingest")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chroma-model", type=Path, help="folder that holds onnx/ of Chroma's own model")
    options = parser.parse_args()
    if not (data_folder() / "retrieval" / "squad_new_wiki").is_dir():
        print(f"No articles at {data_folder()}: set BENCH_DATA.")
        return
    with tempfile.TemporaryDirectory(prefix="bench-corpus-") as place:
        settings = load_settings({"CORPUS_DIR": place, "INDEX_DIR": f"{place}-index"}, Path(place) / "no.env")
        for document in articles(options.kilobytes):
            write_document(settings.corpus_dir, document)
        with chroma_models(options.chroma_model) as models:
            found = run(settings, options.rounds, models)
    sizes, table = memory()
    write("ingest", {**shares(found), **found, "memory": sizes}, [rates(found), table])


def shares(found: Mapping[str, Any]) -> dict[str, Any]:
    """Ours as a share of the bare embedder's rate, and the others' time over ours; wall and computing."""
    kinds = ("wall", "computing")
    others = [name for name in found["seconds"] if name not in (BARE, OURS)]
    return {
        "share_of_bare": {kind: round(_ratio(found, BARE, OURS, kind), 3) for kind in kinds},
        "times_ours": {name: {kind: round(_ratio(found, name, OURS, kind), 3) for kind in kinds} for name in others},
    }


def _ratio(found: Mapping[str, Any], of: str, to: str, kind: str) -> float:
    """Of two systems' seconds: round by round, then the median; what ran once, against the median of the other."""
    a, b = ([one[kind] for one in found["seconds"][name]] for name in (of, to))
    return median(x / y for x, y in zip(a, b, strict=True)) if len(a) == len(b) else median(a) / median(b)


def rates(found: Mapping[str, Any]) -> Table:
    """What each embedded, and in what time."""
    seconds, stored = found["seconds"], found["stored"]
    rows = []
    for name in seconds:
        what = stored.get(name, stored[OURS])
        wall, computing = (median(one[kind] for one in seconds[name]) for kind in ("wall", "computing"))
        ratios = [_ratio(found, name, OURS, kind) for kind in ("wall", "computing")]
        rows.append(
            (
                name,
                str(what["chunks"]),
                f"{what['read']:,} of {what['tokens']:,}",
                f"{wall:.1f} / {computing:.1f}",
                f"{what['read'] / wall:,.0f}",
                f"{ratios[0]:.2f} / {ratios[1]:.2f}",
            )
        )
    return Table(
        f"Ingest of {stored[OURS]['characters'] / 1000:,.0f} kB of text",
        ("", "passages", "tokens embedded", "seconds, wall / computing", "tokens/s", "times ours"),
        rows,
        "The weights are those of Chroma's default embedder, which ships fp32. Ours are the same model's in int8, "
        "which onnxruntime turns into fp32 while it loads: the arithmetic of both is fp32, and so is their speed. "
        f"Of llama-index's default chunks it reads the first {MAX_TOKENS} tokens and nothing of the rest: the search "
        "knows that much of the text only.",
    )


if __name__ == "__main__":
    main()
