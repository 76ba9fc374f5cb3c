"""The weights of the embedded model: what CHAT_MODEL names -> one checked GGUF file.

    python -m app.weights      get the chosen models, if they are not there

Packaged weights come in parts, as wheels, one at a time and checked by hash, so that little more than
the finished file is ever on the disk; interrupted, the next start goes on from the last part.
"""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.hub import FORM, HubFile
from app.pinned_files import BLOCK, Pin, check_space, distrust, matches, one_writer, trust, trusted
from ingest import UserError
from ingest.progress import Progress, Report, TerminalProgress
from ingest.settings import ROOT, Settings, load_settings


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

    def pin(self, path: Path) -> Pin:
        """Size and hash of the joined file."""
        return Pin(self.name, self.size, self.sha256)

    def fetch(self, path: Path, report: Report) -> None:
        """Join the parts into `path`, going on where an earlier try ended. Raises `UserError`."""
        _fetch(self, path, report)


@dataclass(frozen=True)
class GivenFile:
    """A GGUF file of the user's own; it is used where it is, and not checked."""

    file: Path

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.stem

    def path(self, settings: Settings) -> Path:
        """The file itself."""
        return self.file


Chosen = Packaged | HubFile | GivenFile


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


def chosen_model(settings: Settings, name: str | None = None) -> Chosen:
    """What `name` (default: CHAT_MODEL) means to the embedded server; costs nothing yet.

    A packaged model (default: the first), the path of a GGUF file, or a hub repository, as
    owner/name or owner/name:file.gguf. Raises `UserError` when it is none of these.
    """
    name = name or settings.chat_model or MODELS[0].name
    for model in MODELS:
        if model.name == name.lower():
            return model
    hub = FORM.fullmatch(name)
    if hub and (hub[2] or not name.lower().endswith(".gguf")):
        return HubFile(hub[1], hub[2])
    if name.lower().endswith(".gguf"):
        return GivenFile(Path(name).expanduser().absolute())
    names = ", ".join(model.name for model in MODELS)
    raise UserError(
        f"CHAT_MODEL is {name!r}, which the embedded server does not have: choose one of {names}, give the path of a "
        "GGUF file or a hub repository (owner/name), or set OPENAI_BASE_URL or OPENAI_API_KEY to use a model elsewhere."
    )


def of_this_machine(name: str) -> bool:
    """Can only the embedded server have a model of this name: a packaged one, a GGUF file, a hub repository?"""
    packaged = any(model.name == name.lower() for model in MODELS)
    return packaged or name.lower().endswith(".gguf") or bool(FORM.fullmatch(name))


def embedded_models(settings: Settings) -> list[Chosen]:
    """All models that the embedded server may be asked to load; none when an endpoint is configured."""
    if settings.openai_base_url or settings.openai_api_key:
        return []
    first = settings.chat_models[0] if settings.chat_models and not settings.chat_model else None
    return [chosen_model(settings, name) for name in dict.fromkeys([first, *settings.chat_models])]


def chosen_weights(settings: Settings, name: str | None = None) -> Path:
    """The GGUF file of `chosen_model`; it need not exist yet."""
    return chosen_model(settings, name).path(settings)


def obtain(model: Chosen, settings: Settings, report: Report) -> Path:
    """The checked file of `model`, got if need be; returns at once when it is there.

    Raises `UserError` when it cannot be had: no network, disk full, or a wrong hash.
    """
    path = model.path(settings)
    if isinstance(model, GivenFile):
        if not path.is_file():
            raise UserError(f"CHAT_MODEL names {path}, which is no file.")
        return path
    if trusted(path, model.sha256 if isinstance(model, Packaged) else None):
        return path
    with one_writer(path, model.name):
        pin = model.pin(path)
        if path.is_file() and not matches(path, pin, report):
            print(f"{path} is damaged and is fetched anew.", file=sys.stderr)
            path.unlink()
        if not path.is_file():
            model.fetch(path, report)
        trust(path, pin.sha256)
    return path


def recheck(model: Chosen, settings: Settings) -> None:
    """Hash the whole file of `model` anew, if it is there. Raises `UserError` when it is damaged."""
    path = model.path(settings)
    if isinstance(model, GivenFile) or not path.is_file() or matches(path, model.pin(path), lambda _: None):
        return
    distrust(path)
    raise UserError(f"{path} is damaged (its SHA-256 is not its publisher's): run `make install`, which gets it anew.")


def _fetch(model: Packaged, path: Path, report: Report) -> None:
    joined, folder = path.with_name(path.name + ".part"), path.with_name(path.name + ".wheels")
    parts = _parts(model)
    whole = joined.stat().st_size // model.part_size if joined.exists() else 0
    check_space(model.name, model.size - whole * model.part_size + 2 * model.part_size, path.parent)
    with joined.open("ab") as out:
        out.truncate(whole * model.part_size)
        for number, requirement in enumerate(parts[whole:], start=whole):
            report(Progress(f"Fetching {model.name}", number * model.part_size, model.size, "B"))
            shutil.rmtree(folder, ignore_errors=True)  # also what a killed run left
            folder.mkdir()
            _append(_download(requirement, folder), out)
    shutil.rmtree(folder, ignore_errors=True)
    if not matches(joined, model.pin(path), report):
        joined.unlink()
        raise UserError(f"The parts of {model.name} do not make the file that was published. Try again.")
    joined.rename(path)


def _parts(model: Packaged) -> list[str]:
    """One locked requirement a part, in order."""
    lines = model.requirements.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


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
            shutil.copyfileobj(part, out, BLOCK)


def main() -> int:
    """Get the chosen models; prints one line. Nothing to do when an endpoint is configured."""
    try:
        settings = load_settings()
        for model in embedded_models(settings):
            with TerminalProgress() as report:
                obtain(model, settings, report)
    except KeyboardInterrupt:
        print("Stopped; the next start goes on from here.", file=sys.stderr)
        return 130
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
