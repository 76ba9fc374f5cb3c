"""What a user would pick instead: llama-index's default ingestion on Chroma, with Chroma's default embedder.

Knows nothing of clocks or tables.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.embed import MODEL_FILE, TOKENIZER_FILE, checked_file

OWN, FP32, INT8 = "its own weights", "fp32 weights", "our int8 weights"
CHROMA_FILES = ("config.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt")


@contextmanager
def chroma_models(folder: Path | None) -> Iterator[dict[str, Any]]:
    """Chroma's default embedding function, by whose weights it runs; the first is as Chroma ships it.

    It would fetch its own, the same model in fp32, from its maker's bucket; `folder` names where those lie.
    Without them our int8 ones stand in, multiplied out to fp32 as Chroma's file has them, and as they are.
    """
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

    own = folder or ONNXMiniLM_L6_V2.DOWNLOAD_PATH
    if (own / "onnx" / "model.onnx").exists():
        yield {OWN: _function(own)}
        return
    with tempfile.TemporaryDirectory(prefix="bench-chroma-models-") as place:
        int8, fp32 = Path(place) / "int8", Path(place) / "fp32"
        for one in (int8, fp32):
            (one / "onnx").mkdir(parents=True)
            (one / "onnx" / "tokenizer.json").write_bytes(checked_file(TOKENIZER_FILE))
            for name in CHROMA_FILES:  # it only asks whether they are there
                (one / "onnx" / name).touch()
        (int8 / "onnx" / "model.onnx").write_bytes(checked_file(MODEL_FILE))
        write_fp32(fp32 / "onnx" / "model.onnx")
        yield {FP32: _function(fp32), INT8: _function(int8)}


def write_fp32(path: Path) -> None:
    """Our model with its weights multiplied out: a file of standard operators alone, 90 MB as Chroma's own.

    The int8 file holds weights in int8 and the steps that turn them into fp32, which onnxruntime takes once,
    while it loads; this is what it has then.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(checked_file(MODEL_FILE), sess_options=options, providers=["CPUExecutionProvider"])


def _function(folder: Path) -> Any:
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

    function = ONNXMiniLM_L6_V2()
    function.DOWNLOAD_PATH = folder
    return function


def llama_index(corpus: Path, function: Any, chunk_size: int | None) -> Sequence[str]:
    """llama-index's default pipeline over the corpus folder; the texts that it embedded."""
    import chromadb
    from llama_index.core import SimpleDirectoryReader
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.vector_stores.chroma import ChromaVectorStore

    class Chroma(BaseEmbedding):
        """Chroma's function in llama-index's clothes."""

        def _get_query_embedding(self, query: str) -> list[float]:
            return function([query])[0].tolist()

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_query_embedding(text)

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [vector.tolist() for vector in function(texts)]

    folder = tempfile.mkdtemp(prefix="bench-llama-index-")
    try:
        client = chromadb.PersistentClient(folder)
        store = ChromaVectorStore(chroma_collection=client.get_or_create_collection("passages"))
        splitter = SentenceSplitter(chunk_size=chunk_size, chunk_overlap=0) if chunk_size else SentenceSplitter()
        pipeline = IngestionPipeline(transformations=[splitter, Chroma()], vector_store=store)
        nodes = pipeline.run(documents=SimpleDirectoryReader(str(corpus)).load_data())
        client.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [node.get_content("embed") for node in nodes]
