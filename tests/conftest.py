"""What every test may ask for: tiny models made from configs, and texts whose labels can be learned."""

import os

# Before torch and transformers are imported: they read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import pytest

from tests.tiny import (
    make_tiny_bart,
    make_tiny_bert,
    make_tiny_distilbert,
    make_tiny_gpt2,
    make_tiny_roberta,
    make_tiny_t5,
    make_tiny_vit,
    make_tiny_wav2vec2,
    texts_with_labels,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no GPU"))


@pytest.fixture(scope="session")
def texts_and_labels() -> tuple[list[str], list[str]]:
    """40 short texts, 20 "good" and 20 "bad" ones in turn, that a tiny model can tell apart."""
    return texts_with_labels()


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a BERT body of two layers, 32 wide, with dropout, and its tokenizer; it has no head."""
    return make_tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(scope="session")
def tiny_distilbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a DistilBERT body, as `tiny_bert`; its network takes no token_type_ids."""
    return make_tiny_distilbert(tmp_path_factory.mktemp("models") / "tiny-distilbert")


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a RoBERTa body, as `tiny_bert`; its positions start behind the padding token's id."""
    return make_tiny_roberta(tmp_path_factory.mktemp("models") / "tiny-roberta")


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a GPT-2 body; its tokenizer has no padding token, as GPT-2's own."""
    return make_tiny_gpt2(tmp_path_factory.mktemp("models") / "tiny-gpt2")


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a T5, its decoder's head tied to the embeddings; its tokenizer ends every text."""
    return make_tiny_t5(tmp_path_factory.mktemp("models") / "tiny-t5")


@pytest.fixture(scope="session")
def tiny_bart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a BART, as `tiny_t5`; it has a bias beside the logits, and learned positions."""
    return make_tiny_bart(tmp_path_factory.mktemp("models") / "tiny-bart")


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a ViT body for images of 16 x 16; it has no head and no image processor."""
    return make_tiny_vit(tmp_path_factory.mktemp("models") / "tiny-vit")


@pytest.fixture(scope="session")
def tiny_wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a wav2vec 2.0 body that padding would disturb; it has no head and no feature extractor."""
    return make_tiny_wav2vec2(tmp_path_factory.mktemp("models") / "tiny-wav2vec2")


@pytest.fixture(scope="session")
def tiny_wav2vec2_masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a wav2vec 2.0 body whose attention mask hides padding, as `tiny_wav2vec2`."""
    return make_tiny_wav2vec2(tmp_path_factory.mktemp("models") / "tiny-wav2vec2-masked", norm="layer")
