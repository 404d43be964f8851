"""How many examples go through the network at once, and what is said of it."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from keraslike import Model
from keraslike.data.cutting import Cut
from keraslike.engine.tables import LARGE
from keraslike.losses import as_loss
from keraslike.recipes.micro_batches import body_parameters, cutting_notes, device_type, plan_cutting
from tests.engine.loops import make_mlp


def make_model(network=None, loss="cross_entropy", device="cpu"):
    return Model(make_mlp() if network is None else network, "sgd", loss, device=device)


def with_norm():
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))


def contrastive(outputs, targets):
    return outputs.std()


# The plan


def test_number_of_the_user():
    """A number is the user's word, also for a network or a loss that cannot be cut otherwise."""
    for model in (make_model(), make_model(loss=contrastive)):
        planned = plan_cutting(model, 5, print)

        assert planned.cut == Cut(size=5)
        assert planned.why_whole is None


def test_number_with_a_layer_that_mixes():
    """With BatchNorm the number is what is learned, so that running out of memory does not halve it in silence."""
    planned = plan_cutting(make_model(with_norm()), 5, print)

    assert planned.cut == Cut(size=5)
    assert planned.why_whole.startswith("BatchNorm1d")


def test_a_limit_does_not_cut_what_stays_whole():
    """What an out-of-memory in another fit has left behind cuts no batch that must not be cut."""
    for model in (make_model(with_norm()), make_model(loss=contrastive)):
        model.micro_batch_limit = 2

        assert plan_cutting(model, "auto", print).cut == Cut()


def test_none():
    """None cuts nothing, but for memory."""
    planned = plan_cutting(make_model(), None, print)

    assert planned.cut == Cut()
    assert planned.why_whole is None


@pytest.mark.parametrize(
    ("width", "price"),
    [
        (10, 185),  # 100 parameters: below the smallest that was measured, whose price holds
        (1000, 82),  # a million: between 87 tokens at 0.8 and 29 at 10.8 million, log-log
        (4000, 29),  # 16 million: above the largest
    ],
)
def test_price_of_auto(width, price):
    """By "auto" is cut for padding, at the price that was measured for a body of this size."""
    model = make_model(nn.Linear(width, width, bias=False))

    assert plan_cutting(model, "auto", print).cut == Cut(price=pytest.approx(price, abs=6))


@pytest.mark.parametrize(("make", "words"), [(with_norm, "BatchNorm1d"), (make_mlp, "contrastive")])
@pytest.mark.parametrize("micro_batch_size", ["auto", None])
def test_what_must_not_be_cut(make, words, micro_batch_size):
    """There is no price, and the reason is kept for the day when memory runs out."""
    model = make_model(make(), contrastive if words == "contrastive" else "cross_entropy")

    planned = plan_cutting(model, micro_batch_size, print)

    assert planned.cut == Cut()
    assert words in planned.why_whole


@pytest.mark.parametrize("micro_batch_size", [None, 5, "auto"])
def test_limit_from_before(micro_batch_size):
    """What memory has taught holds from the start, and is taught back to the model."""
    model = make_model()
    model.micro_batch_limit = 3
    said = []

    planned = plan_cutting(model, micro_batch_size, said.append)
    before = planned.cut.most
    planned.halve(3)
    was_told = planned.is_told
    planned.tell()

    assert before == 3
    assert (planned.cut.most, model.micro_batch_limit) == (1, 1)
    assert (was_told, planned.is_told, len(said)) == (False, True, 1)


def test_tables_on_a_cpu_alone():
    """Large tables are kept sparse on a CPU; an accelerator adds dense gradients faster."""
    table = nn.Embedding(LARGE, 1)
    model = SimpleNamespace(
        network=table,
        loss_function=as_loss("cross_entropy"),
        micro_batch_limit=None,
        why_whole=lambda: None,
        remember_limit=print,
    )

    on_cpu = plan_cutting(SimpleNamespace(**vars(model), device="cpu"), None, print)
    elsewhere = plan_cutting(SimpleNamespace(**vars(model), device="cuda:0"), None, print)

    assert on_cpu.tables.tables == [table]
    assert elsewhere.tables is None


# What is said


@pytest.mark.parametrize(
    ("make", "micro_batch_size", "words"),
    [
        (lambda: make_model(with_norm()), 5, "BatchNorm1d sees 5 examples at a time, not the whole batch"),
        (lambda: make_model(with_norm()), "auto", None),
        (lambda: make_model(with_norm()), None, None),
        (make_model, 5, None),
        (make_model, "auto", None),
        (lambda: make_model(loss=contrastive), "auto", None),
    ],
)
def test_notes(make, micro_batch_size, words):
    """A line is said where a number of the user's changes what is learned."""
    notes = cutting_notes(make(), micro_batch_size)

    assert len(notes) == (words is not None)
    assert all(note.startswith(words) for note in notes)


@pytest.mark.parametrize(("micro_batch_size", "lines"), [("auto", 1), (None, 0), (5, 0)])
def test_note_of_a_head(micro_batch_size, lines):
    """A head whose loss cannot be put together from parts is named where "auto" would cut."""
    loss = as_loss("cross_entropy")
    loss.is_separable, loss.reason = False, "the head's loss is one of the whole batch"
    model = SimpleNamespace(network=make_mlp(), loss_function=loss)

    notes = cutting_notes(model, micro_batch_size)

    assert notes == ["Batches are not cut: the head's loss is one of the whole batch."] * lines


# Sizes and devices


def test_body_without_embeddings():
    """Tables of every kind are left out, and so is a head that is tied to one; frozen parameters count."""
    head = nn.Linear(4, 100, bias=False)
    table, bag, body = nn.Embedding(100, 4), nn.EmbeddingBag(50, 4), nn.Linear(4, 4)
    head.weight = table.weight
    body.weight.requires_grad_(False)

    assert body_parameters(nn.ModuleList([table, bag, body, head])) == 20


@pytest.mark.parametrize(
    ("device", "network", "kind"),
    [
        ("cuda:1", nn.Linear(1, 1), "cuda"),
        (torch.device("mps"), nn.Linear(1, 1), "mps"),
        (None, nn.Linear(1, 1, device="meta"), "meta"),
        (None, nn.Linear(1, 1), "cpu"),
        (None, nn.Flatten(), "cpu"),
    ],
)
def test_kind_of_device(device, network, kind):
    """The model's device, else where its parameters are; a network without any is one of the CPU."""
    assert device_type(SimpleNamespace(device=device, network=network)) == kind
