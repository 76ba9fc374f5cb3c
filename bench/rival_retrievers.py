"""What a user would take instead: llama-index's retrievers and bm25s, over the same documents and embedder.

All take the embedder of the product, so that retrieval is compared and not models; documents enter
with their title as metadata, which llama-index embeds with the text, and as whole texts, which it
splits as it does by default.
"""

from collections.abc import Callable, Sequence
from typing import Any

import bm25s
import Stemmer
from llama_index.core import Document as LlamaDocument
from llama_index.core import Settings as LlamaSettings
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle

from app.relevance import embed_cached
from bench.measures import Place
from ingest.document import Document
from ingest.embed import Embedder

Ranker = Callable[[str], Sequence[Place]]


class SameEmbedding(BaseEmbedding):
    """The product's embedder behind llama-index's interface; a query's vector is kept, as ours is."""

    _embedder: Embedder

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(model_name="all-MiniLM-L6-v2-int8", embed_batch_size=256)
        self._embedder = embedder

    def _get_query_embedding(self, query: str) -> list[float]:
        return embed_cached(self._embedder, [query])[0].tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed(texts).tolist()


class Lexical:
    """bm25s with its defaults, English stop words and a stemmer: what llama-index's BM25Retriever is."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._stemmer = Stemmer.Stemmer("english")
        self._model = bm25s.BM25()
        self._model.index(self._tokens(texts), show_progress=False)
        self._size = len(texts)

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """(place of the text, score), best first."""
        found, scores = self._model.retrieve(self._tokens([query]), k=min(k, self._size), show_progress=False)
        return [(int(at), float(score)) for at, score in zip(found[0], scores[0], strict=True)]

    def _tokens(self, texts: Sequence[str]) -> Any:
        return bm25s.tokenize(list(texts), stopwords="en", stemmer=self._stemmer, show_progress=False)


class LexicalRetriever(BaseRetriever):
    """`Lexical` over llama-index's nodes."""

    def __init__(self, nodes: Sequence[BaseNode], k: int) -> None:
        super().__init__()
        self._nodes, self._k = nodes, k
        self._lexical = Lexical([node.get_content("embed") for node in nodes])  # type: ignore[arg-type]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._lexical.search(query_bundle.query_str, self._k)
        return [NodeWithScore(node=self._nodes[at], score=score) for at, score in found]


def lexical_alone(documents: Sequence[Document], k: int) -> Ranker:
    """BM25 by other hands than ours, over whole documents with their titles."""
    lexical = Lexical([f"{one.metadata.title}\n{one.text}" for one in documents])
    ids = [one.document_id for one in documents]
    return lambda query: [(ids[at], 0, 10**9) for at, score in lexical.search(query, k) if score > 0]


def llama_index(documents: Sequence[Document], embedder: Embedder, k: int) -> dict[str, Ranker]:
    """VectorStoreIndex as it comes, and QueryFusionRetriever over it and BM25, in both its usual modes."""
    LlamaSettings.llm = MockLLM()  # never asked: no further queries are generated
    index = VectorStoreIndex.from_documents(
        [
            LlamaDocument(id_=one.document_id, text=one.text, metadata={"title": one.metadata.title})
            for one in documents
        ],
        embed_model=SameEmbedding(embedder),
        show_progress=False,
    )
    nodes = list(index.docstore.docs.values())
    dense = index.as_retriever(similarity_top_k=k)
    fused = {
        mode: QueryFusionRetriever(
            [dense, LexicalRetriever(nodes, k)], mode=mode, similarity_top_k=k, num_queries=1, use_async=False
        )
        for mode in ("reciprocal_rerank", "relative_score")
    }
    return {
        "llama-index VectorStoreIndex": _ranker(dense),
        "llama-index QueryFusion, reciprocal rank": _ranker(fused["reciprocal_rerank"]),
        "llama-index QueryFusion, relative score": _ranker(fused["relative_score"]),
    }


def _ranker(retriever: BaseRetriever) -> Ranker:
    def rank(query: str) -> list[Place]:
        found = [one.node for one in retriever.retrieve(query)]
        return [(node.ref_doc_id or "", node.start_char_idx or 0, node.end_char_idx or 0) for node in found]

    return rank
