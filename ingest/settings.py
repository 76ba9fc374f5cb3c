"""Environment and `.env` -> one frozen `Settings`. The only reader of the environment.

Knows nothing about what the values are used for.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from ingest import UserError

ROOT = Path(__file__).resolve().parent.parent
SOURCE_BYTES = 50_000_000  # of one source: a file, an upload, a member of an archive, a corpus file; no setting


@dataclass(frozen=True)
class Settings:
    """Everything that can be configured; `.env.example` documents each by its variable's name.

    Paths are absolute. An empty variable counts as unset. Secrets are kept out of `repr`.
    """

    corpus_dir: Path
    index_dir: Path
    cache_dir: Path
    openai_api_key: str | None
    openai_base_url: str | None
    chat_model: str | None
    chat_models: tuple[str, ...]
    chat_price: str | None
    embedding_model: str | None
    embedding_base_url: str | None
    embedding_api_key: str | None
    embedding_query_prefix: str
    embedding_passage_prefix: str
    chroma_url: str | None
    chroma_token: str | None
    app_auth: str | None
    app_hosts: tuple[str, ...]

    def __repr__(self) -> str:
        secret = {"openai_api_key", "embedding_api_key", "chroma_token", "app_auth"}
        shown = {k: ("***" if k in secret and v else v) for k, v in vars(self).items()}
        return f"Settings({shown})"


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Read the settings: the environment first, then `.env`, then the defaults.

    `dotenv` is the file to read (default: `.env` beside pyproject.toml; missing is fine).
    Raises `UserError` when a base URL is not http(s).
    """
    found = dict(dotenv_values(dotenv or ROOT / ".env"))
    found.update(os.environ if environ is None else environ)

    def text(name: str) -> str | None:
        return (found.get(name) or "").strip() or None

    def url(name: str) -> str | None:
        value = text(name)
        if value and not value.startswith(("http://", "https://")):
            raise UserError(f"{name} is {value!r}: it must start with http:// or https://.")
        return value.rstrip("/") if value else None

    def names(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in (text(name) or "").split(",") if part.strip())

    def folder(name: str, default: Path) -> Path:
        value = text(name)
        return Path(value).expanduser().absolute() if value else default

    return Settings(
        corpus_dir=folder("CORPUS_DIR", ROOT / "corpus"),
        index_dir=folder("INDEX_DIR", ROOT / ".index"),
        cache_dir=folder("CACHE_DIR", ROOT / ".cache"),
        openai_api_key=text("OPENAI_API_KEY"),
        openai_base_url=url("OPENAI_BASE_URL"),
        chat_model=text("CHAT_MODEL"),
        chat_models=names("CHAT_MODELS"),
        chat_price=text("CHAT_PRICE"),
        embedding_model=text("EMBEDDING_MODEL"),
        embedding_base_url=url("EMBEDDING_BASE_URL"),
        embedding_api_key=text("EMBEDDING_API_KEY"),
        # As they are: the space at the end of "query: " is a part of it.
        embedding_query_prefix=found.get("EMBEDDING_QUERY_PREFIX") or "",
        embedding_passage_prefix=found.get("EMBEDDING_PASSAGE_PREFIX") or "",
        chroma_url=url("CHROMA_URL"),
        chroma_token=text("CHROMA_TOKEN"),
        app_auth=text("APP_AUTH"),
        app_hosts=names("APP_HOSTS"),
    )
