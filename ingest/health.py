"""Does the store keep its promises? Every passage whole, every one found by its own vector."""

import json

import numpy as np

from ingest import UserError, builds
from ingest.catalog import Catalog
from ingest.settings import Settings
from ingest.split import split
from ingest.store import CHROMA, StoreIndex

_BATCH = 500  # passages in memory


def check(settings: Settings) -> list[str]:
    """What is wrong with the index, one line a fault; empty when it is sound.

    Reads everything: the stored texts and vectors against their checksums, the passages against
    the splitter, Chroma's files against their seal, and each passage is searched for with its own
    vector. About a millisecond a passage. Changes nothing.
    """
    try:
        catalog = Catalog.open(settings.index_dir)
    except UserError as error:
        return [str(error)]
    index = StoreIndex(settings, catalog)
    try:
        catalog.verify()
        return [*_texts(catalog), *_build(settings, catalog), *_vectors(catalog, index)]
    except UserError as error:
        return [str(error)]
    finally:
        index.close()
        catalog.close()


def _texts(catalog: Catalog) -> list[str]:
    faults = []
    for row in catalog.documents():
        document = catalog.document(row.document_id)
        expected = [passage.passage_id for passage in split(document)]
        if catalog.passage_ids([row.document_id]) != expected:
            faults.append(f"Document {row.document_id[:12]} is not indexed whole.")
        if not row.paths:
            faults.append(f"Document {row.document_id[:12]} has no corpus file.")
    return faults


def _build(settings: Settings, catalog: Catalog) -> list[str]:
    sealed = json.loads(catalog.meta("seal") or "{}")
    name = catalog.meta("build") or ""
    if not sealed or builds.intact(settings.index_dir / CHROMA / name, sealed):
        return []
    return ["Files of the vector index are missing or changed: run `python -m ingest sync`."]


def _vectors(catalog: Catalog, index: StoreIndex) -> list[str]:
    ids = catalog.passage_ids()
    faults = [] if len(ids) == len(set(ids)) else ["A passage is indexed twice."]
    if ids and (held := index.count()) != len(ids):
        faults.append(f"The vector index holds {held} entries for {len(ids)} passages.")
    for start in range(0, len(ids), _BATCH):
        for passage_id, vector in catalog.vectors(ids[start : start + _BATCH]).items():
            if not _found(index, passage_id, vector):
                faults.append(f"Passage {passage_id} is not found by its own vector.")
    return faults


def _found(index: StoreIndex, passage_id: str, vector: np.ndarray) -> bool:
    hits = index.search(vector, 3)
    # Passages of equal text have equal vectors: finding a twin is as good.
    return any(hit == passage_id or score > 0.999 for hit, score in hits)
