"""What the benches hold us against is what a user would get."""

import numpy as np

from bench.default_pipeline import FP32, INT8, chroma_models
from ingest.embed import LocalEmbedder

TEXTS = ["North Korea produces 5.03 million tons of food.", "A ship sails.", "Money " * 90]


def test_chromas_default_embedder_runs_fp32_weights_that_agree_with_ours(tmp_path):
    ours = LocalEmbedder().embed(TEXTS)
    with chroma_models(tmp_path) as models:
        assert list(models) == [FP32, INT8]
        sizes = {name: (one.DOWNLOAD_PATH / "onnx" / "model.onnx").stat().st_size for name, one in models.items()}
        vectors = {name: np.asarray(one(TEXTS)) for name, one in models.items()}
    assert 85e6 < sizes[FP32] < 95e6 and sizes[INT8] < 25e6  # four bytes a weight, and one
    for found in vectors.values():
        assert ((found * ours).sum(axis=1) > 0.9999).all()
