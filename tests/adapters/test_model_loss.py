import math

import poutyne
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification

from keraslike.data.loader import TransformerCollator
from keraslike.engine.forward import ModelWrapper
from keraslike.errors import DataError
from keraslike.losses.model import model_loss

ROWS = [
    {"input_ids": [2, 7, 9, 3], "labels": 0},
    {"input_ids": [2, 8, 3], "labels": 1},
    {"input_ids": [2, 9, 3], "labels": 1},
]


def test_gives_the_heads_own_loss(tiny_bert):
    """The loss is the head's, which for classes is torch's mean cross-entropy."""
    network = ModelWrapper(AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=3))
    inputs, targets = TransformerCollator(y_keys="labels")(ROWS)

    outputs = network(inputs)

    assert model_loss(outputs, targets) is outputs.loss
    torch.testing.assert_close(outputs.loss, torch.nn.functional.cross_entropy(outputs.logits, targets))


@pytest.mark.parametrize("outputs", [{"logits": torch.zeros(2, 3)}, {"loss": None, "logits": torch.zeros(2, 3)}])
def test_labels_missing_among_the_inputs(outputs):
    """Without a loss among the outputs the error says that the labels must be among the inputs."""
    with pytest.raises(DataError) as caught:
        model_loss(outputs, torch.tensor([0, 2]))

    assert str(caught.value).startswith("the network returned no loss, but only: ")
    assert "labels among the network's inputs" in caught.value.expected
    assert "remove_labels=False" in caught.value.do


def test_outputs_that_are_no_dict():
    """A network that returns a tensor has no loss of its own, and the error says what it returned."""
    with pytest.raises(DataError, match="no loss, but only: a Tensor"):
        model_loss(torch.zeros(2, 3), None)


def test_a_body_without_a_head(tiny_bert):
    """A network without a head is told apart by its outputs, which the error names."""
    network = ModelWrapper(AutoModel.from_pretrained(tiny_bert))
    inputs, targets = TransformerCollator(y_keys="labels", remove_labels=True)(ROWS)

    with pytest.raises(DataError, match=r"only: last_hidden_state, pooler_output"):
        model_loss(network(inputs), targets)


@pytest.mark.parametrize("y_keys", [None, "labels", ["labels"], ["labels", "input_ids"]])
def test_trains_a_plain_poutyne_model(tiny_bert, y_keys):
    """A plain `poutyne.Model` averages it over the examples, whatever form the targets have."""
    network = ModelWrapper(AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)).eval()
    collate = TransformerCollator(y_keys=y_keys)
    batches = [collate(ROWS[:2]), collate(ROWS[2:])]
    losses = [network(inputs).loss.item() for inputs, _ in batches]
    model = poutyne.Model(network, "sgd", model_loss)

    loss = model.evaluate_generator(batches, verbose=False)

    assert math.isclose(loss, (2 * losses[0] + losses[1]) / 3, rel_tol=1e-6)  # float32 sums
