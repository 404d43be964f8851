"""A model so small that a fit of 200 texts takes a tenth of a second."""

from pathlib import Path

import pytest

from tests.tiny import make_tokenizer, save


@pytest.fixture(scope="session")
def smallest_bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with a BERT body of one layer, 8 wide, with dropout, and its tokenizer; it has no head."""
    return str(make_smallest_bert(tmp_path_factory.mktemp("models") / "smallest-bert"))


def make_smallest_bert(folder: Path) -> Path:
    from transformers import BertConfig, BertModel

    tokenizer = make_tokenizer("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", second_segment=1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=0.5,  # at the usual 0.02 so narrow a network learns nothing in two epochs
    )
    return save(BertModel, config, tokenizer, folder)
