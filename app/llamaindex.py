"""Our retrieval as a llama-index retriever, so that it plugs into anything of that world.

Nodes carry the document id and the character span, so a citation made there is still exact.
Imports llama-index, which takes seconds: the road of a question does not go through here.
"""

from collections.abc import Sequence

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from app.retrieve import retrieve
from ingest.document import Hit
from ingest.store import Store


class HybridRetriever(BaseRetriever):
    """`retrieve` behind llama-index's interface: give it to a query engine, a fusion, a reranker."""

    def __init__(self, store: Store, *, k: int = 8, document_ids: Sequence[str] | None = None) -> None:
        super().__init__()
        self._store, self._k, self._document_ids = store, k, document_ids

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = retrieve(self._store, query_bundle.query_str, k=self._k, document_ids=self._document_ids)
        return [NodeWithScore(node=node(hit), score=hit.score) for hit in hits]


def node(hit: Hit) -> TextNode:
    """A passage as a node: `document.text[start_char_idx:end_char_idx] == text`; the id is the passage's."""
    span = hit.passage.span
    told = {"title": hit.metadata.title, "heading": hit.passage.heading, "url": hit.metadata.url}
    return TextNode(
        id_=hit.passage.passage_id,
        text=span.text,
        start_char_idx=span.start,
        end_char_idx=span.end,
        metadata={name: value for name, value in told.items() if value},
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=span.document_id)},
    )
