"""The weights of the embedded model: packages -> one checked GGUF file in the cache folder.

    python -m app.weights      get the chosen model, if it is not there

The parts come as wheels, one at a time and checked by hash, so that little more than the
finished file is ever on the disk; interrupted, the next start goes on from the last part.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from ingest import UserError
from ingest.progress import Progress, Report, TerminalProgress
from ingest.settings import ROOT, Settings, load_settings

_BLOCK = 4 << 20


@dataclass(frozen=True)
class Packaged:
    """Weights in parts inside Python packages, joined in order; sizes in bytes.

    Every part but the last has `part_size`; `requirements` is the lock file that lists them.
    """

    name: str
    size: int
    part_size: int
    sha256: str
    requirements: Path

    def path(self, settings: Settings) -> Path:
        """Where the joined file is kept."""
        return settings.cache_dir / "models" / f"{self.name}.gguf"


MODELS = (
    Packaged(
        "qwen2.5-coder-1.5b-instruct",
        1_117_320_768,
        52_428_800,
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        ROOT / "requirements" / "weights.txt",
    ),
    Packaged(
        "qwen2.5-coder-0.5b-instruct",
        491_400_064,
        89_128_960,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        ROOT / "requirements" / "weights-small.txt",
    ),
)


def chosen_model(settings: Settings, name: str | None = None) -> Packaged | Path:
    """What `name` (default: CHAT_MODEL) means to the embedded server: a packaged model or a GGUF file.

    Raises `UserError` when it is neither.
    """
    name = name or settings.chat_model or MODELS[0].name
    if name.lower().endswith(".gguf"):
        return Path(name).expanduser().absolute()
    for model in MODELS:
        if model.name == name.lower():
            return model
    names = ", ".join(model.name for model in MODELS)
    raise UserError(
        f"CHAT_MODEL is {name!r}, which the embedded server does not have: choose one of {names}, give the "
        "path of a GGUF file, or set OPENAI_BASE_URL or OPENAI_API_KEY to use a model elsewhere."
    )


def chosen_weights(settings: Settings, name: str | None = None) -> Path:
    """The GGUF file of `chosen_model`; it need not exist yet."""
    chosen = chosen_model(settings, name)
    return chosen.path(settings) if isinstance(chosen, Packaged) else chosen


def obtain(model: Packaged, settings: Settings, report: Report) -> Path:
    """The checked file of `model`, got from its packages if need be; returns at once when it is there.

    Raises `UserError` when it cannot be had: no network, disk full, or a wrong hash.
    """
    path = model.path(settings)
    if _known_good(path, model):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{path}.lock", timeout=0):
            if path.is_file() and not _verify(path, model, report):
                print(f"{path} is damaged and is fetched anew.", file=sys.stderr)
                path.unlink()
            if not path.is_file():
                _fetch(model, path, report)
            _stamp(path).write_text(json.dumps(_facts(path, model)), "utf-8")
            return path
    except Timeout:
        raise UserError(f"Another process is fetching {model.name}. Wait until it is done.") from None


def distrust(path: Path) -> None:
    """Forget that the file was checked: the next `obtain` checks it by its hash again."""
    _stamp(path).unlink(missing_ok=True)


def _stamp(path: Path) -> Path:
    return path.with_name(path.name + ".checked")


def _facts(path: Path, model: Packaged) -> dict[str, object]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": model.sha256}


def _known_good(path: Path, model: Packaged) -> bool:
    """Hashing takes seconds: a file of the size and time at which its hash was right is not hashed again."""
    try:
        return bool(json.loads(_stamp(path).read_text("utf-8")) == _facts(path, model))
    except (OSError, ValueError):
        return False


def _verify(path: Path, model: Packaged, report: Report) -> bool:
    """Is the file the publisher's own, by its hash?"""
    if path.stat().st_size != model.size:
        return False
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            done += len(block)
            report(Progress(f"Checking {model.name}", done, model.size, "B"))
    return digest.hexdigest() == model.sha256


def _fetch(model: Packaged, path: Path, report: Report) -> None:
    joined, folder = path.with_name(path.name + ".part"), path.with_name(path.name + ".wheels")
    parts = _parts(model)
    whole = joined.stat().st_size // model.part_size if joined.exists() else 0
    _check_space(model, path.parent, whole * model.part_size)
    with joined.open("ab") as out:
        out.truncate(whole * model.part_size)
        for number, requirement in enumerate(parts[whole:], start=whole):
            report(Progress(f"Fetching {model.name}", number * model.part_size, model.size, "B"))
            shutil.rmtree(folder, ignore_errors=True)  # also what a killed run left
            folder.mkdir()
            _append(_download(requirement, folder), out)
    shutil.rmtree(folder, ignore_errors=True)
    if not _verify(joined, model, report):
        joined.unlink()
        raise UserError(f"The parts of {model.name} do not make the file that was published. Try again.")
    joined.rename(path)


def _parts(model: Packaged) -> list[str]:
    """One locked requirement a part, in order."""
    lines = model.requirements.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _check_space(model: Packaged, folder: Path, have: int) -> None:
    need = model.size - have + 2 * model.part_size
    free = shutil.disk_usage(folder).free
    if free < need:
        raise UserError(
            f"{model.name} needs {need / 1e6:,.0f} MB of disk in {folder}; {free / 1e6:,.0f} MB are free. "
            "Make room, or set CACHE_DIR to another folder."
        )


def _download(requirement: str, folder: Path) -> Path:
    """One wheel by the ordinary package client, checked against the hash of the lock file."""
    lock = folder / "part.txt"
    lock.write_text(requirement + "\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--require-hashes"]
    done = subprocess.run(  # noqa: S603 - fixed words and our own lock file
        [*command, "-r", str(lock), "-d", str(folder)], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        why = next((line for line in said if "ERROR" in line or "No module" in line), said[-1] if said else "")
        name = requirement.split("==")[0]
        raise UserError(
            f"The package {name} with a part of the model could not be fetched ({why.strip()[:200]}). "
            "Check the network and try again: it goes on from here."
        )
    return wheels[0]


def _append(wheel: Path, out: BinaryIO) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".bin")]
        with archive.open(name) as part:
            shutil.copyfileobj(part, out, _BLOCK)


def main() -> int:
    """Get the chosen model; prints one line. Nothing to do when an endpoint is configured."""
    try:
        settings = load_settings()
        if settings.openai_base_url or settings.openai_api_key:
            return 0
        chosen = chosen_model(settings)
        if isinstance(chosen, Path):
            if not chosen.is_file():
                raise UserError(f"CHAT_MODEL names {chosen}, which is no file.")
            return 0
        with TerminalProgress() as report:
            obtain(chosen, settings, report)
    except KeyboardInterrupt:
        print("Stopped; the next start goes on from here.", file=sys.stderr)
        return 130
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
