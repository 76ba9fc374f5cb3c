"""Speed: start, time to evidence, and the latency of a query by size of the index, beside bare Chroma.

    python -m bench.speed                     # start, and 1,000 and 10,000 passages
    python -m bench.speed --sizes 1000 100000 # these sizes; building 100,000 takes some 4 minutes, once
    python -m bench.speed --server 10000      # and this size on a Chroma server of its own, over HTTP
    python -m bench.speed --no-start

Nothing is remembered between queries: each is asked once, its words are embedded, and so are the
sentences it reads. Bare Chroma is `collection.query` for ten results on the very same collection.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app import relevance
from app.evidence import select_evidence
from app.retrieve import retrieve, search
from bench.chroma_server import chroma_server
from bench.large_store import build
from bench.report import CACHE, ROOT, Table, write
from bench.retrieval_sets import folder, load
from ingest.store import Store

SIZES = (1_000, 10_000)
QUERIES = 60
WARM = 10  # queries before the clock counts
ROUNDS = 3  # starts of each kind, in turns
BARE_IMPORTS = "import gradio, chromadb"
PATIENCE = 180.0  # seconds for a start


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="PASSAGES")
    parser.add_argument("--no-start", action="store_true", help="leave the start out")
    parser.add_argument("--server", type=int, metavar="PASSAGES", help="this size on a Chroma server too")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(server_times(options.server) if options.server else query_times(options.child)))
        return
    if not folder("squad_new_wiki").is_dir():
        raise SystemExit(f"No set at {folder('squad_new_wiki')}: set BENCH_DATA to the folder that holds retrieval/.")
    figures: dict[str, Any] = {"start": None if options.no_start else start_times()}
    figures["sizes"] = {str(size): _in_child("--child", str(size)) for size in options.sizes}
    if options.server:
        size = str(options.server)
        figures["sizes"][f"{size} on a server"] = _in_child("--child", size, "--server", size)
    tables = [_size_table(figures["sizes"])]
    if figures["start"]:
        tables.insert(0, _start_table(figures["start"]))
    write("speed", figures, tables)


def query_times(size: int, **more: str) -> dict[str, Any]:
    """Latencies in milliseconds (p50, p95) on a store of `size` passages, memory and disk in MB.

    `more` are further variables of the environment, such as CHROMA_URL.
    """
    settings, seconds = build(size, **more)
    store = Store.open(settings)
    queries = [asked.text for asked in load("squad_new_wiki").queries[: QUERIES + WARM]]
    before = memory_mb()
    vectors = {query: store.embedder.embed([query])[0] for query in queries}
    collection: Any = store.index._index()._collection  # the same open collection, so that only our code differs
    stages: dict[str, Callable[[str], object]] = {
        "embed the query": lambda query: store.embedder.embed([query]),
        "bare Chroma": lambda query: collection.query(
            query_embeddings=vectors[query][None], n_results=10, include=["distances"]
        ),
        "dense half": lambda query: store.index.search(vectors[query], 10),
        "lexical half": lambda query: store.catalog.lexical(query, 50),
        "passages at once": lambda query: search(store, query).first(8),
        "passages": lambda query: retrieve(store, query),
        "evidence": lambda query: _evidence(store, query),
    }
    found = {name: _timed(stage, queries, store) for name, stage in stages.items()}
    return {
        "passages": store.index.count(),
        "milliseconds": found,
        "built_seconds": round(seconds, 1),
        "memory_mb": round(memory_mb()),
        "memory_mb_of_index": round(memory_mb() - before),
        "disk_mb": round(sum(file.stat().st_size for file in settings.index_dir.rglob("*") if file.is_file()) / 1e6),
    }


def server_times(size: int) -> dict[str, Any]:
    """The same with the vectors on a Chroma server of its own; its memory in MB too."""
    with chroma_server(CACHE / "chroma-server" / str(size)) as server:  # not where `build` begins anew
        found = query_times(size, CHROMA_URL=server.url)
        return {**found, "server_memory_mb": round(memory_mb(server.process_id))}


def _evidence(store: Store, query: str) -> object:
    return select_evidence(relevance.Query.read(store, query), retrieve(store, query, k=8))


def _timed(stage: Callable[[str], object], queries: Sequence[str], store: Store) -> dict[str, float]:
    times = []
    for query in queries:
        _forget(store)
        started = time.perf_counter()
        stage(query)
        times.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.percentile(times[WARM:], [50, 95])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}


def _forget(store: Store) -> None:
    """Every query as the first of its kind: no vector of an earlier one."""
    relevance._vectors.pop(store.embedder, None)


def start_times() -> dict[str, Any]:
    """Seconds, median of ROUNDS: bare imports; our page until it answers; the ratio."""
    bare, ours = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", BARE_IMPORTS], check=True, cwd=ROOT)
        bare.append(time.perf_counter() - started)
        ours.append(_start_page())
    one, other = float(np.median(bare)), float(np.median(ours))
    return {"bare_imports": round(one, 2), "page_answers": round(other, 2), "ratio": round(other / one, 2)}


def _start_page() -> float:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        said = process.stdout or ()  # the model, then the address
        address = next(line.partition("http://")[2].split()[0] for line in said if "http://" in line)
        urllib.request.urlopen(f"http://{address}/", timeout=PATIENCE).close()
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def _in_child(*arguments: str) -> dict[str, Any]:
    """Each size in a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "bench.speed", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def memory_mb(process: int | str = "self") -> float:
    """Resident memory of a process, in MB; 0 where the system does not say (it is Linux that does)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1e3


def _start_table(found: Mapping[str, Any]) -> Table:
    row = [f"{found['bare_imports']:.2f} s", f"{found['page_answers']:.2f} s", f"{found['ratio']:.2f}"]
    return Table("Start", ("bare imports of gradio and chromadb", "our page answers", "ratio"), [row])


def _size_table(sizes: Mapping[str, Mapping[str, Any]]) -> Table:
    stages = list(next(iter(sizes.values()))["milliseconds"])
    rows = []
    for found in sizes.values():
        times = found["milliseconds"]
        bare = times["bare Chroma"]["p95"]
        rows.append(
            [
                f"{found['passages']:,}" + (", Chroma server" if "server_memory_mb" in found else ""),
                *(f"{times[stage]['p50']:.1f} / {times[stage]['p95']:.1f}" for stage in stages),
                f"{times['dense half']['p95'] / bare:.2f}",
                f"{found['memory_mb']:,} MB" + (f" + {m:,} MB" if (m := found.get("server_memory_mb")) else ""),
                f"{found['disk_mb']:,} MB",
            ]
        )
    header = ("passages", *stages, "dense half / bare Chroma", "memory", "disk")
    note = (
        "Milliseconds are p50 / p95, the ratio is of p95; bare Chroma and the dense half find ten. `passages at "
        "once` embeds the query and finds fifty both ways, with both scores; "
        "`passages` reads up to 16 sentences more, `evidence` some of other passages. A server's memory stands behind "
        "the app's."
    )
    return Table("A query by size of the index", header, rows, note)


if __name__ == "__main__":
    main()
