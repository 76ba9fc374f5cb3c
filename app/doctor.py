"""Each part is tried by using it: it works, or what is wrong and the mend."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from app.faults import ModelError
from app.model import ChatModel
from app.models import Models, open_models
from app.weights import embedded_models, recheck
from ingest import UserError
from ingest.corpus import corpus_files, read_document
from ingest.embed import open_embedder
from ingest.settings import Settings
from ingest.store import Store

ENOUGH_CONTEXT = 4096  # tokens: a question with all its evidence, and the answer
SEEN = 0.75  # of the words of a request, each a token: who says that it read fewer has cut it
REPLY_TOKENS = 32  # hosted models that think take no fewer than 16


@dataclass(frozen=True)
class Finding:
    """One part, whether it works, and one line: what was seen, or what is wrong and the mend."""

    part: str
    works: bool
    line: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Try corpus, embedder, index and model, in this order; a part that fails does not stop the rest."""
    parts: list[tuple[str, Callable[[Settings], str]]] = [
        ("corpus", _corpus),
        ("embedder", _embedder),
        ("index", _index),
        ("model", _model),
    ]
    for part, look in parts:
        yield _finding(part, look, settings)


def _finding(part: str, look: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(part, True, look(settings))
    except UserError as error:
        return Finding(part, False, str(error))


def _corpus(settings: Settings) -> str:
    files = corpus_files(settings.corpus_dir)
    if not files:
        raise UserError(f"{settings.corpus_dir} holds no articles: python -m ingest add SOURCE")
    for path in files:
        read_document(path)
    return f"{len(files)} readable files in {settings.corpus_dir}"


def _embedder(settings: Settings) -> str:
    embedder = open_embedder(settings)
    cat, kitten, treaty = embedder.embed(["a small cat", "a kitten", "an economic treaty"])
    if cat @ kitten <= cat @ treaty:
        raise UserError(f"{embedder.fingerprint} finds a cat nearer to a treaty than to a kitten: use another one.")
    return f"{embedder.fingerprint}, {embedder.dimension} dimensions"


def _index(settings: Settings) -> str:
    store = Store.open(settings)
    documents = store.catalog.documents()
    if not documents:
        raise UserError("The index is empty: python -m ingest sync")
    store.check_model()
    first = store.catalog.document(documents[0].document_id)
    found = store.index.search(store.embedder.for_queries.embed([first.metadata.title])[0], 1)
    if not found:
        raise UserError("Chroma finds nothing: python -m ingest sync --rebuild")
    return f"{len(documents)} documents, {sum(row.passages for row in documents)} passages in {settings.index_dir}"


def _model(settings: Settings) -> str:
    for chosen in embedded_models(settings):
        recheck(chosen, settings)
    models = open_models(settings)
    try:
        return " ".join(_reply(models, one["id"]) for one in models.listed())
    finally:
        models.close()


def _reply(models: Models, model_id: str) -> str:
    asked = [{"role": "user", "content": "Reply with the word ready."}]
    piece = models.get(model_id).complete(asked, max_tokens=REPLY_TOKENS)
    reads = _reads(_context(models.get(model_id)))
    return f"{models.describe_one(model_id)} It replies {' '.join(piece.text.split())!r}{reads}."


def _context(model: ChatModel) -> int | None:
    """Tokens that a model reads at once, where it tells, or is seen to have cut a long request without a word."""
    told = model.capabilities().context_tokens
    if told is not None:
        return told
    read = None
    with suppress(ModelError):  # one that refuses what is too long cuts nothing
        usage = model.complete([{"role": "user", "content": "word " * ENOUGH_CONTEXT}], max_tokens=REPLY_TOKENS).usage
        read = usage.prompt_tokens if usage else None
    return read if read and read < SEEN * ENOUGH_CONTEXT else None


def _reads(context_tokens: int | None) -> str:
    """How much a model reads, where that is known, and the mend where it is too little."""
    if context_tokens is None:
        return ""
    if context_tokens >= ENOUGH_CONTEXT:
        return f" and reads {context_tokens:,} tokens at once"
    return (
        f" and reads only {context_tokens:,} tokens at once, so that it gets but the best of the evidence: "
        "give it a larger context (in Ollama: OLLAMA_CONTEXT_LENGTH)"
    )
