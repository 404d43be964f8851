"""Weights of classes and of examples, against torch's own weights and sums written by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from keraslike import Model
from keraslike.errors import ArgumentError, KeraslikeError
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS, BATCH = 37, 14
EXACT = 1e-10
DICT = {0: 0.5, 1: 2.0, 2: 1.25}
SPLITS = [None, 5, 1, "auto"]
TEXTS = [f"a {word} film" + " from the first scene" * (row % 3) for row, word in enumerate(["great", "awful"] * 9)]
WORDS = ["bad" if row % 3 else "good" for row in range(18)]


def make_rows():
    """Three classes, of which the last is rare."""
    x, y = make_data(ROWS, dtype=torch.float64)
    return x, torch.where(torch.arange(ROWS) % 9 == 0, 2, y % 2)


def trained_by_hand(x, y, *, weight=None, sample_weight=None, loss=hand.cross_entropy, batch=BATCH):
    network = make_mlp(dtype=torch.float64)
    batches = hand.batches_of(batch, x, y, sample_weight)
    return network, hand.learn(network, hand.sgd(network), loss, batches, class_weight=weight)


def trained(x, y, *, loss="cross_entropy", **options):
    network = make_mlp(dtype=torch.float64)
    model = Model(network, hand.sgd(network), loss, device="cpu")
    return model, model.fit(x, y, **{"batch_size": BATCH, "shuffle": False, "verbose": 0, **options})


def as_tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


# Class weights


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize(
    ("given", "weight"),
    [
        (DICT, [0.5, 2.0, 1.25]),
        ({2: 3.0}, [1.0, 1.0, 3.0]),
        ([0.5, 2.0, 1.25], [0.5, 2.0, 1.25]),
        (np.array([0.5, 2.0, 1.25]), [0.5, 2.0, 1.25]),
        (torch.tensor([0.5, 2.0, 1.25]), [0.5, 2.0, 1.25]),
        ({0: 0.0, 1: 1.0, 2: 1.0}, [0.0, 1.0, 1.0]),
    ],
    ids=["dict", "dict of one", "list", "array", "tensor", "zero"],
)
def test_weights_of_classes(given, weight, micro_batch_size):
    """A dict by the class (others weigh 1) or a list weigh as torch's `weight` does: in the sum and in the count."""
    x, y = make_rows()
    reference, loss = trained_by_hand(x, y, weight=as_tensor(weight))

    model, history = trained(x, y, class_weight=given, micro_batch_size=micro_batch_size)

    assert hand.largest_difference(model.network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", SPLITS)
def test_balanced(micro_batch_size):
    """What "balanced" means is scikit-learn's: rows by (classes times the class's rows), of all the training rows."""
    x, y = make_rows()
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=y.numpy())
    reference, loss = trained_by_hand(x, y, weight=as_tensor(balanced))

    model, history = trained(x, y, class_weight="balanced", micro_batch_size=micro_batch_size)

    assert hand.largest_difference(model.network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


def test_balanced_without_the_rows_that_validate():
    """Rows that are split off do not count."""
    x, y = make_rows()
    seen = []

    class Seen(Model):
        def compute_loss(self, outputs, batch):
            seen.append((outputs.detach(), batch.y))
            return super().compute_loss(outputs, batch)

    network = make_mlp(dtype=torch.float64)
    model = Seen(network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", device="cpu")
    history = model.fit(x, y, class_weight="balanced", validation_split=0.4, seed=1, batch_size=ROWS, verbose=0)

    outputs, learned = seen[0]
    weight = as_tensor(compute_class_weight("balanced", classes=np.arange(3), y=learned.numpy()))
    assert len(learned) < ROWS
    assert history[0]["loss"] == pytest.approx(F.cross_entropy(outputs, learned, weight=weight).item(), rel=EXACT)


def test_beside_weights_of_the_loss():
    """Class weights multiply those that the loss has already."""
    x, y = make_rows()
    own = as_tensor([1.5, 0.5, 2.0])
    reference, loss = trained_by_hand(x, y, weight=own * as_tensor([0.5, 2.0, 1.25]))

    model, history = trained(x, y, loss=nn.CrossEntropyLoss(own), class_weight=DICT)

    assert hand.largest_difference(model.network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", SPLITS)
def test_several_labels(micro_batch_size):
    """For several labels they weigh the positives (`pos_weight`); "balanced" is negatives by positives, by column."""
    x, y = make_rows()
    targets = torch.stack([y == 0, y != 1, y == 2], 1).double()
    positives = targets.sum(0)
    runs = {"balanced": (ROWS - positives) / positives, "list": as_tensor([0.5, 2.0, 1.25])}

    for given, weight in runs.items():
        reference, loss = trained_by_hand(x, targets, weight=weight, loss=hand.binary_cross_entropy)
        value = "balanced" if given == "balanced" else weight.tolist()
        model, history = trained(
            x, targets, loss="bce_with_logits", class_weight=value, micro_batch_size=micro_batch_size
        )
        assert hand.largest_difference(model.network, reference) <= EXACT
        assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("batches_per_step", [1, 3])
def test_classes_of_a_loader(batches_per_step):
    """A loader's classes can be weighed by a dict or a list, however many batches make a step."""
    x, y = make_rows()
    reference, loss = trained_by_hand(x, y, weight=as_tensor([0.5, 2.0, 1.25]), batch=5 * batches_per_step)
    network = make_mlp(dtype=torch.float64)
    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")

    loader = DataLoader(TensorDataset(x, y), batch_size=5)
    history = model.fit(loader, class_weight=DICT, batches_per_step=batches_per_step, verbose=0)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


def test_only_the_training_is_weighed():
    """val_loss and evaluate are the plain loss, as in Keras; so are the losses of a later fit without weights."""
    x, y = make_rows()
    network = make_mlp(dtype=torch.float64)
    plain = F.cross_entropy(network(x), y).item()
    weighed = F.cross_entropy(network(x), y, weight=as_tensor([0.5, 2.0, 1.25])).item()
    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", device="cpu")

    first = model.fit(x, y, (x, y), class_weight=DICT, verbose=0)[0]
    measured = model.evaluate(x, y, return_dict=True, verbose=0)["loss"]
    second = model.fit(x, y, verbose=0)[0]

    assert abs(plain - weighed) > 0.01
    assert [first["loss"], first["val_loss"], measured, second["loss"]] == pytest.approx(
        [weighed, plain, plain, plain], rel=EXACT
    )


# Class weights by the user's labels


def make_classifier(folder):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the head is drawn
        network = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        ).double()
    return network, AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("micro_batch_size", [None, 3, "auto"])
@pytest.mark.parametrize("given", ["balanced", {"good": 3.0}, {"bad": 0.5, "good": 3.0}, [0.5, 3.0]], ids=str)
def test_weights_by_the_users_labels(tiny_bert, given, micro_batch_size):
    """With a task a dict has the user's own labels, and a list their order, as `model.labels` has it."""
    classes = torch.tensor([["bad", "good"].index(word) for word in WORDS])
    balanced = compute_class_weight("balanced", classes=np.array(["bad", "good"]), y=WORDS)
    weight = {"balanced": balanced, "{'good': 3.0}": [1.0, 3.0]}.get(str(given), [0.5, 3.0])
    reference, tokenizer = make_classifier(tiny_bert)
    optimizer = hand.sgd(reference, lr=0.05)
    for rows in torch.arange(18).split(8):
        optimizer.zero_grad()
        inputs = tokenizer([TEXTS[row] for row in rows], padding=True, return_tensors="pt")
        F.cross_entropy(reference(**inputs).logits, classes[rows], weight=as_tensor(weight)).backward()
        optimizer.step()

    network, tokenizer = make_classifier(tiny_bert)
    model = Model(network, hand.sgd(network, lr=0.05), task="text-classification", tokenizer=tokenizer, device="cpu")
    model.fit(
        TEXTS,
        WORDS,
        epochs=1,
        batch_size=8,
        micro_batch_size=micro_batch_size,
        class_weight=given,
        shuffle=False,
        schedule=None,
        clip_norm=None,
        verbose=0,
    )

    assert model.labels == ["bad", "good"]
    assert hand.largest_difference(network, reference) <= EXACT


@pytest.mark.parametrize("micro_batch_size", [None, 3, "auto"])
def test_texts_that_weigh(tiny_bert, micro_batch_size):
    """Every text's weight goes with it, shuffled, split and sorted by length."""
    classes = torch.tensor([["bad", "good"].index(word) for word in WORDS])
    weights = torch.linspace(0.0, 2.0, 18, dtype=torch.float64)
    reference, tokenizer = make_classifier(tiny_bert)
    order = torch.from_numpy(np.random.default_rng((7, 1)).permutation(18))
    batches = [
        (tokenizer([TEXTS[row] for row in rows], padding=True, return_tensors="pt"), classes[rows], weights[rows])
        for rows in order.split(8)
    ]
    by_keyword = nn.Module()
    by_keyword.reference, by_keyword.forward = reference, lambda inputs: reference(**inputs).logits
    loss = hand.learn(by_keyword, hand.sgd(reference, lr=0.05), hand.cross_entropy, batches)

    network, tokenizer = make_classifier(tiny_bert)
    model = Model(network, hand.sgd(network, lr=0.05), task="text-classification", tokenizer=tokenizer, device="cpu")
    options = {"epochs": 1, "batch_size": 8, "schedule": None, "clip_norm": None, "verbose": 0}
    history = model.fit(TEXTS, WORDS, sample_weight=weights, micro_batch_size=micro_batch_size, seed=7, **options)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


# Sample weights


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize("kind", [list, np.asarray, torch.tensor], ids=["list", "array", "tensor"])
def test_weights_of_examples(kind, micro_batch_size):
    """The mean is the weighted one: each example's loss and its count weigh as much as the example."""
    x, y = make_rows()
    weights = [0.25 * (row % 7) for row in range(ROWS)]
    reference, loss = trained_by_hand(x, y, sample_weight=as_tensor(weights))

    model, history = trained(x, y, sample_weight=kind(weights), micro_batch_size=micro_batch_size)

    assert hand.largest_difference(model.network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", SPLITS)
def test_examples_and_classes(micro_batch_size):
    """Both together multiply."""
    x, y = make_rows()
    weights = as_tensor([0.25 * (row % 7) for row in range(ROWS)])
    reference, loss = trained_by_hand(x, y, weight=as_tensor([0.5, 2.0, 1.25]), sample_weight=weights)

    model, history = trained(x, y, class_weight=DICT, sample_weight=weights, micro_batch_size=micro_batch_size)

    assert hand.largest_difference(model.network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


def test_weights_of_one_change_nothing():
    """Weights that are all equal give the plain mean."""
    x, y = make_rows()
    reference, loss = trained_by_hand(x, y)

    model, history = trained(x, y, sample_weight=[2.0] * ROWS, micro_batch_size=5)

    assert hand.largest_difference(model.network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


def test_shuffled_with_their_rows():
    """Shuffling and splitting keep every weight with its row: rows that weigh nothing teach nothing."""
    x, y = make_rows()
    weights = (torch.arange(ROWS) % 3 == 0).double()
    garbage = torch.where(weights[:, None] == 0, torch.full_like(x, 3.0), x)
    runs = []

    for inputs in (x, garbage):
        model, _ = trained(inputs, y, sample_weight=weights, shuffle=True, seed=5, epochs=2, micro_batch_size=4)
        runs.append(weights_of(model.network))

    torch.testing.assert_close(*runs, rtol=0, atol=EXACT)


def test_split_off_with_their_rows():
    """Rows that are split off to validate take their weights along."""
    x, y = make_rows()
    weights = (torch.arange(ROWS) % 3 == 0).double()
    garbage = torch.where(weights[:, None] == 0, torch.full_like(x, 3.0), x)
    runs = []

    for inputs in (x, garbage):
        model, history = trained(inputs, y, sample_weight=weights, validation_split=0.3, shuffle=True, seed=5)
        runs.append((weights_of(model.network), history[0]["loss"]))

    torch.testing.assert_close(runs[0][0], runs[1][0], rtol=0, atol=EXACT)
    assert runs[0][1] == pytest.approx(runs[1][1], rel=EXACT)


# Errors at the door


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sample_weight": [1.0] * (ROWS - 1)}, f"{ROWS - 1}"),
        ({"sample_weight": [1.0] * 20 + [-0.5] + [1.0] * (ROWS - 21)}, "20"),
        ({"sample_weight": [1.0] * 20 + [float("nan")] + [1.0] * (ROWS - 21)}, "20"),
        ({"sample_weight": [1.0] * 20 + [float("inf")] + [1.0] * (ROWS - 21)}, "20"),
        ({"sample_weight": [[1.0, 2.0]] * ROWS}, "sample_weight"),
        ({"class_weight": [1.0, 2.0]}, "3"),
        ({"class_weight": {0: 1.0, 7: 2.0}}, "7"),
        ({"class_weight": {0: 1.0, 1: -2.0}}, "-2"),
        ({"class_weight": [1.0, float("nan"), 1.0]}, "nan"),
        ({"class_weight": "balance"}, "balanced"),
        ({"class_weight": 3.0}, "class_weight"),
    ],
    ids=str,
)
def test_weights_that_do_not_fit(options, named):
    """Wrong lengths, unknown labels, negative and non-finite weights are named before the first step."""
    x, y = make_rows()
    network = make_mlp(dtype=torch.float64)
    before = weights_of(network)
    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")

    with pytest.raises(KeraslikeError) as caught:
        model.fit(x, y, verbose=0, **options)

    assert named in str(caught.value)
    assert caught.value.expected or caught.value.do
    assert torch.equal(weights_of(network), before)


def test_a_misspelt_label(tiny_bert):
    """A label that the data do not have is answered with the nearest that they have."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    with pytest.raises(KeraslikeError, match="goood") as caught:
        model.fit(TEXTS, WORDS, class_weight={"goood": 2.0}, verbose=0)

    assert "'good'" in str(caught.value)


@pytest.mark.parametrize("options", [{"class_weight": DICT}, {"sample_weight": [1.0] * ROWS}], ids=["class", "sample"])
def test_a_function_that_does_not_weigh(options):
    """A bare function knows neither classes nor weights: that is said before the first step, never ignored."""
    x, y = make_rows()

    def bare(outputs, targets):
        return F.cross_entropy(outputs, targets)

    with pytest.raises(ArgumentError, match="weight"):
        trained(x, y, loss=bare, **options)


@pytest.mark.parametrize("micro_batch_size", [None, 5])
def test_a_function_that_names_sample_weight(micro_batch_size):
    """A function that names `sample_weight` gets that of each part's examples."""
    x, y = make_rows()
    weights = as_tensor([0.25 * (row % 7) + 0.1 for row in range(ROWS)])
    reference, loss = trained_by_hand(x, y, sample_weight=weights)

    def weighing(logits, labels, sample_weight):
        return (F.cross_entropy(logits, labels, reduction="none") * sample_weight).sum(), sample_weight.sum()

    model, history = trained(x, y, loss=weighing, sample_weight=weights, micro_batch_size=micro_batch_size)

    assert hand.largest_difference(model.network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)
