"""What every bench shares: intervals, facts of the run, and results as Markdown and JSON.

    from bench.report import Table, cell, share, write

    write("retrieval", figures, [Table("Retrieval", ("system", "recall@5"), [("ours", cell(share(found)))])])

prints the tables and writes bench/results/retrieval.json and .md. Knows nothing of what is measured.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
CACHE = ROOT / ".cache" / "bench"  # stores that take long to build, kept between runs
ROUNDS = 2000  # of a bootstrap
PACKAGES = (
    "chromadb", "gradio", "llama-index-core", "openai", "onnxruntime", "xllamacpp", "numpy", "trafilatura",
    "bm25s", "rank-bm25",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table to print; the cells are text already. `note` stands below it, in one paragraph."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """The table in Markdown, its title in bold above it."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join(part for part in (f"**{self.title}**", body, self.note) if part)


def interval(
    values: Sequence[float],
    statistic: Callable[[np.ndarray], np.ndarray] | None = None,
    *,
    seed: int = 7,
) -> tuple[float, float]:
    """The 95 % bootstrap interval of a statistic over independent `values`; of their mean by default.

    `statistic` takes draws as rows, (ROUNDS, n), and returns one number a row.
    """
    found = np.asarray(values, float)
    draws = found[np.random.default_rng(seed).integers(0, len(found), (ROUNDS, len(found)))]
    drawn = draws.mean(axis=1) if statistic is None else statistic(draws)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def share(values: Sequence[float], *, seed: int = 7) -> dict[str, Any]:
    """A mean with its interval and how many values it is of, for the JSON."""
    if not len(values):
        return {"value": None, "low": None, "high": None, "n": 0}
    low, high = interval(values, seed=seed)
    return {"value": round(float(np.mean(values)), 4), "low": round(low, 4), "high": round(high, 4), "n": len(values)}


def cell(figure: Mapping[str, Any], scale: float = 100, digits: int = 1) -> str:
    """A `share` for a table: `96.1 (94.9-97.2)`."""
    if figure["value"] is None:
        return "-"
    value, low, high = (scale * figure[name] for name in ("value", "low", "high"))
    return f"{value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def facts(seed: int) -> dict[str, Any]:
    """Machine, date, versions and seed: what a figure must be read with."""
    installed = {found.name.lower(): found.version for found in importlib.metadata.distributions()}
    versions = {package: installed[package] for package in PACKAGES if package in installed}
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB",
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": versions,
        "seed": seed,
        "command": f"python -m bench.{Path(sys.argv[0]).stem} {' '.join(sys.argv[1:])}".strip(),
    }


def write(name: str, figures: Mapping[str, Any], tables: Sequence[Table], *, seed: int = 7) -> None:
    """Print `tables`, and write them and `figures` to bench/results/NAME.md and NAME.json, with `facts`."""
    known = facts(seed)
    told = ", ".join(f"{package} {version}" for package, version in known["versions"].items())
    foot = (
        f"`{known['command']}`, {known['date']}, commit {known['commit']}; {known['machine']} "
        f"(load {known['load']}); {known['system']}; seed {seed}; {told}."
    )
    text = "\n\n".join([*(table.markdown() for table in tables), foot])
    print(text, flush=True)
    RESULTS.mkdir(exist_ok=True)
    whole = {"facts": known, "figures": figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def data_folder() -> Path:
    """Where the public sets are: BENCH_DATA, else `shared/data` beside the project. It may not exist."""
    return Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data")


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, AttributeError):
        return 0.0
