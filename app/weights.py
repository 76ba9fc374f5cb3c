"""The weights of the embedded model: packages -> one checked GGUF file in the cache folder."""

from dataclasses import dataclass
from pathlib import Path

from ingest import UserError
from ingest.settings import Settings


@dataclass(frozen=True)
class Packaged:
    """Weights that come in parts inside Python packages, joined in order; sizes in bytes."""

    name: str
    parts: int
    size: int
    sha256: str
    requirements: str


MODELS = (
    Packaged(
        "qwen2.5-coder-1.5b-instruct",
        22,
        1_117_320_768,
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        "requirements/weights.txt",
    ),
    Packaged(
        "qwen2.5-coder-0.5b-instruct",
        6,
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        "requirements/weights-small.txt",
    ),
)


def chosen_weights(settings: Settings) -> Path:
    """The GGUF file that CHAT_MODEL names: a packaged model (default: the first) or a file.

    The file need not exist yet. Raises `UserError` for any other name.
    """
    name = settings.chat_model or MODELS[0].name
    if name.endswith(".gguf"):
        return Path(name).expanduser().absolute()
    for model in MODELS:
        if model.name == name.lower():
            return settings.cache_dir / "models" / f"{model.name}.gguf"
    names = ", ".join(model.name for model in MODELS)
    raise UserError(
        f"CHAT_MODEL is {name!r}, which the embedded server does not have: choose one of {names}, give the path "
        "of a GGUF file, or set OPENAI_BASE_URL or OPENAI_API_KEY to use a model elsewhere."
    )
