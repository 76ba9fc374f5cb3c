"""Ingest rate: ours beside the bare embedder on the same texts, and beside llama-index's default pipeline on Chroma.

    python -m bench.ingest [--kilobytes N] [--rounds N] [--chroma-model FOLDER]

Timed one after the other on the same articles, each into a new folder and with its model loaded
before: the embedder alone on exactly the passages that `sync` embeds; `sync` of the corpus folder;
both some rounds, in turns. Then, once, llama-index's SimpleDirectoryReader, IngestionPipeline,
SentenceSplitter and ChromaVectorStore with Chroma's default embedder. Its default chunks have 1,024
tokens, of which that embedder reads 256, so it also runs with chunks as small as ours. Computing
time (of all threads) stands beside wall time, since another load on the machine bends the latter.
Last, peak memory by size of the corpus (`bench.ingest_memory`).
"""

import argparse
import gc
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.ingest_memory import memory
from bench.report import Table, data_folder, write
from ingest.corpus import corpus_files, read_document, write_document
from ingest.document import Document, Metadata
from ingest.embed import MAX_TOKENS, MODEL_FILE, TOKENIZER_FILE, LocalEmbedder
from ingest.settings import Settings, load_settings
from ingest.split import embedding_text, split
from ingest.sync import sync

FITTING = 200  # tokens a chunk that, with what llama-index adds, fit the embedder's 256
CHROMA_FILES = ("config.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt")


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


def chroma_model(folder: Path | None) -> tuple[Any, str]:
    """Chroma's default embedding function, and whose weights it runs.

    It would fetch its own from its maker's bucket. Where they are not, our int8 ones of the same
    model stand in: they are faster than its fp32, so the comparison favours it.
    """
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

    from ingest.embed import _checked

    function = ONNXMiniLM_L6_V2()
    if folder or (function.DOWNLOAD_PATH / "onnx" / "model.onnx").exists():
        function.DOWNLOAD_PATH = folder or function.DOWNLOAD_PATH
        return function, f"fp32 of {folder}" if folder else "its own"
    place = Path(tempfile.mkdtemp(prefix="bench-chroma-model-"))
    (place / "onnx").mkdir()
    (place / "onnx" / "model.onnx").write_bytes(_checked(MODEL_FILE))
    (place / "onnx" / "tokenizer.json").write_bytes(_checked(TOKENIZER_FILE))
    for name in CHROMA_FILES:  # it only asks whether they are there
        (place / "onnx" / name).touch()
    function.DOWNLOAD_PATH = place
    return function, "our int8 weights"


def llama_index(corpus: Path, function: Any, chunk_size: int | None) -> dict[str, int]:
    """llama-index's default pipeline over the corpus folder; returns what it stored."""
    import chromadb
    from llama_index.core import SimpleDirectoryReader
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.vector_stores.chroma import ChromaVectorStore

    class Chroma(BaseEmbedding):
        """Chroma's function in llama-index's clothes."""

        def _get_query_embedding(self, query: str) -> list[float]:
            return function([query])[0].tolist()

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_query_embedding(text)

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [vector.tolist() for vector in function(texts)]

    folder = tempfile.mkdtemp(prefix="bench-llama-index-")
    try:
        client = chromadb.PersistentClient(folder)
        store = ChromaVectorStore(chroma_collection=client.get_or_create_collection("passages"))
        splitter = SentenceSplitter(chunk_size=chunk_size, chunk_overlap=0) if chunk_size else SentenceSplitter()
        pipeline = IngestionPipeline(transformations=[splitter, Chroma()], vector_store=store)
        nodes = pipeline.run(documents=SimpleDirectoryReader(str(corpus)).load_data())
        client.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _tokens([node.get_content("embed") for node in nodes])


def _tokens(texts: list[str]) -> dict[str, int]:
    """How many texts, their tokens, and those that the embedder reads."""
    lengths = [len(encoding.ids) for encoding in _untruncated().encode_batch(texts)]
    return {"chunks": len(texts), "tokens": sum(lengths), "read": sum(min(MAX_TOKENS, one) for one in lengths)}


def _untruncated() -> Any:
    from tokenizers import Tokenizer

    from ingest.embed import _checked

    tokenizer = Tokenizer.from_str(_checked(TOKENIZER_FILE).decode("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def run(settings: Settings, rounds: int, model: Path | None) -> tuple[dict[str, Any], str]:
    """Every system's seconds, round by round, and what it stored."""
    embedder = LocalEmbedder()
    documents = [read_document(path) for path in corpus_files(settings.corpus_dir)]
    texts = [embedding_text(document.metadata, passage) for document in documents for passage in split(document)]
    function, weights = chroma_model(model)
    warm_up(embedder, function)
    systems: dict[str, list[dict[str, float]]] = {"bare": [], "ours": [], "default": [], "fitting": []}
    stored = {"ours": {**_tokens(texts), "characters": sum(len(document.text) for document in documents)}}
    for _ in range(rounds):
        systems["bare"].append(timed(lambda: embedder.embed(texts)))
        with new_index(settings) as fresh:
            systems["ours"].append(timed(lambda: sync(fresh, embedder=embedder)))
    for name, size in (("default", None), ("fitting", FITTING)):
        found: list[dict[str, int]] = []
        systems[name].append(timed(lambda: found.append(llama_index(settings.corpus_dir, function, size))))  # noqa: B023
        stored[name] = found[0]
    return {"seconds": systems, "stored": stored}, weights


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
        found, weights = run(settings, options.rounds, options.chroma_model)
    sizes, table = memory()
    write("ingest", {"weights": weights, **shares(found), **found, "memory": sizes}, [rates(found, weights), table])


def shares(found: dict[str, Any]) -> dict[str, float]:
    """Ours against the bare embedder, and the others' time against ours; wall and computing."""
    told = {}
    for kind in ("wall", "computing"):
        told[f"share_of_bare_{kind}"] = round(_ratio(found, "bare", "ours", kind), 3)
        for name in ("default", "fitting"):
            told[f"times_{name}_{kind}"] = round(_ratio(found, name, "ours", kind), 3)
    return told


def _ratio(found: dict[str, Any], of: str, to: str, kind: str) -> float:
    """Of two systems' seconds: round by round, then the median; what ran once, against the median of the other."""
    a, b = ([one[kind] for one in found["seconds"][name]] for name in (of, to))
    return median(x / y for x, y in zip(a, b, strict=True)) if len(a) == len(b) else median(a) / median(b)


def rates(found: dict[str, Any], weights: str) -> Table:
    """What each embedded, and in what time."""
    seconds, stored = found["seconds"], found["stored"]
    names = {
        "bare": "the embedder alone",
        "ours": "ours, `sync`",
        "fitting": f"llama-index, chunks of {FITTING} tokens",
        "default": "llama-index, its default chunks",
    }
    rows = []
    for name, label in names.items():
        what = stored.get(name, stored["ours"])
        wall, computing = (median(one[kind] for one in seconds[name]) for kind in ("wall", "computing"))
        ratios = [_ratio(found, name, "ours", kind) for kind in ("wall", "computing")]
        rows.append(
            (
                label,
                str(what["chunks"]),
                f"{what['read']:,} of {what['tokens']:,}",
                f"{wall:.1f} / {computing:.1f}",
                f"{what['read'] / wall:,.0f}",
                f"{ratios[0]:.2f} / {ratios[1]:.2f}",
            )
        )
    return Table(
        f"Ingest of {stored['ours']['characters'] / 1000:,.0f} kB of text",
        ("", "passages", "tokens embedded", "seconds, wall / computing", "tokens/s", "times ours"),
        rows,
        f"Chroma's default embedder ran {weights}. Of llama-index's default chunks it reads the first "
        f"{MAX_TOKENS} tokens and nothing of the rest: the search knows that much of the text only.",
    )


if __name__ == "__main__":
    main()
