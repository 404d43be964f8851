"""The tiny models behave like the ones that they stand for."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

NAMES = ["tiny_bert", "tiny_distilbert", "tiny_roberta", "tiny_gpt2"]


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def test_loads_from_its_folder(folder):
    """A tiny model's folder loads with the Auto classes, and its network takes all that its tokenizer gives."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder)

    outputs = network(**tokenizer("a wonderful film", return_tensors="pt"))

    assert outputs.last_hidden_state.shape[-1] == 32


def test_longest_text_fits(folder):
    """A text cut at the tokenizer's own limit is one that the network has positions for."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder)

    inputs = tokenizer("film " * 100, truncation=True, return_tensors="pt")

    assert inputs["input_ids"].shape == (1, 64)
    assert network(**inputs).last_hidden_state.shape == (1, 64, 32)


def test_only_bert_tells_segments_apart(tiny_bert, tiny_distilbert):
    """BERT's tokenizer gives the second text of a pair segment 1; DistilBERT's gives no segments."""
    bert = AutoTokenizer.from_pretrained(tiny_bert)("a film", "a cast")
    distilbert = AutoTokenizer.from_pretrained(tiny_distilbert)("a film", "a cast")

    assert bert["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    assert "token_type_ids" not in distilbert


def test_only_gpt2_has_no_padding(tiny_bert, tiny_gpt2):
    """GPT-2's tokenizer has no padding token."""
    assert AutoTokenizer.from_pretrained(tiny_bert).pad_token == "[PAD]"
    assert AutoTokenizer.from_pretrained(tiny_gpt2).pad_token is None


def test_words_are_known(folder, texts_and_labels):
    """No word of the shared texts is unknown to a tiny tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)

    ids = {token for row in tokenizer(texts_and_labels[0], add_special_tokens=False)["input_ids"] for token in row}

    assert tokenizer.unk_token_id not in ids


def test_making_one_draws_nothing(tmp_path):
    """Making a tiny model leaves torch's random numbers where they were."""
    from tests.tiny import make_tiny_bert

    before = torch.random.get_rng_state()
    make_tiny_bert(tmp_path)

    assert torch.equal(torch.random.get_rng_state(), before)
