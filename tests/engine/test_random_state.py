"""Who may draw random numbers: the seed of `fit` governs the network, and the caller's state is put back."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from keraslike import Model
from keraslike.engine import random_state
from keraslike.engine.random_state import (
    Aside,
    draw_seed,
    drawn_since,
    get_state,
    get_torch_state,
    kept,
    seeded,
    set_state,
    set_torch_state,
)
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS = 24


def draws():
    """Draw from all three generators that a user may have seeded, and put the state back."""
    with kept():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]


def make_model(dropout=0.3, **arguments):
    return Model(make_mlp(dropout=dropout), "sgd", "cross_entropy", device="cpu", **arguments)


def fitted(seed, data=None, validation=None, **arguments):
    """The weights after a fit."""
    model = make_model()
    x, y = make_data(ROWS) if data is None else data
    model.fit(x, y, validation, **{"epochs": 2, "batch_size": 8, "seed": seed, "verbose": 0, **arguments})
    return weights_of(model.network)


def test_same_seed():
    """The same seed gives the same weights, whatever was drawn before."""
    first = fitted(1)
    torch.rand(5)

    assert torch.equal(fitted(1), first)


def test_other_seed():
    """Another seed gives other weights."""
    assert not torch.equal(fitted(1), fitted(2))


def test_other_seed_changes_the_order():
    """Without dropout the seed still governs the order of the rows."""
    weights = []
    for seed in (1, 2):
        model = make_model(dropout=0.0)
        model.fit(*make_data(ROWS), batch_size=8, seed=seed, verbose=0)
        weights.append(weights_of(model.network))

    assert not torch.equal(*weights)


def test_seed_governs_the_head(tiny_bert, texts_and_labels):
    """A fresh head is drawn after seeding: the same seed gives the same head, another seed another one."""

    def head(seed):
        model = Model(str(tiny_bert), task="text-classification", device="cpu")
        model.fit(*texts_and_labels, epochs=1, seed=seed, learning_rate=0.0, steps_per_epoch=1, verbose=0)
        return model.network.state_dict()["classifier.weight"]

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_seed_that_is_drawn_is_recorded():
    """Without a seed one is drawn from torch's generator and recorded, so that the run can be made again."""
    x, y = make_data(ROWS)
    torch.manual_seed(5)
    first, second, third = make_model(), make_model(), make_model()

    history = first.fit(x, y, batch_size=8, verbose=0)
    second.fit(x, y, batch_size=8, seed=history.seed, verbose=0)
    torch.manual_seed(5)
    third.fit(x, y, batch_size=8, verbose=0)

    assert first.history.seed == history.seed
    assert torch.equal(weights_of(second.network), weights_of(first.network))
    assert torch.equal(weights_of(third.network), weights_of(first.network))


def test_two_fits_without_a_seed():
    """Two runs without a seed draw two different ones."""
    seeds = [make_model().fit(*make_data(ROWS), verbose=0).seed for _ in range(2)]

    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_callers_state_is_put_back(seed):
    """After fit the caller draws the numbers that it would have drawn without."""
    before = draws()

    fitted(seed)

    assert draws() == before


def test_callers_state_is_put_back_after_an_error():
    """A run that fails puts the caller's state back too."""

    class Broken(nn.Linear):
        def forward(self, x):
            torch.rand(1)
            raise RuntimeError("broken")

    model = Model(Broken(4, 3), "sgd", "cross_entropy", device="cpu")
    before = draws()

    with pytest.raises(RuntimeError, match="broken"):
        model.fit(*make_data(ROWS), seed=1, verbose=0)

    assert draws() == before


VERBS = {
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "evaluate a shuffled loader": lambda model, x, y: model.evaluate(
        DataLoader(TensorDataset(x, y), shuffle=True), verbose=0
    ),
    "predict": lambda model, x, y: model.predict(x),
    "predict a loader": lambda model, x, y: model.predict(DataLoader(x, shuffle=True), has_ground_truth=False),
    "evaluate_generator": lambda model, x, y: model.evaluate_generator([(x, y)], verbose=0),
    "predict_generator": lambda model, x, y: model.predict_generator([x], verbose=0),
}


@pytest.mark.parametrize("verb", VERBS)
def test_measuring_leaves_no_trace(verb):
    """Neither evaluate nor predict moves the random state, also with a loader that shuffles."""
    model = make_model()
    before = draws()

    VERBS[verb](model, *make_data(ROWS))

    assert draws() == before


@pytest.mark.parametrize("verb", ["evaluate", "predict", "predict_proba", "predict_logits"])
def test_measuring_a_task_leaves_no_trace(tiny_bert, texts_and_labels, verb):
    """The same with a task."""
    model = Model(str(tiny_bert), task="text-classification", labels=["bad", "good"], device="cpu")
    before = draws()

    getattr(model, verb)(*(texts_and_labels if verb == "evaluate" else texts_and_labels[:1]), verbose=0)

    assert draws() == before


class Noisy(Dataset):
    """Rows that draw from all global generators whenever they are read, as augmentations do."""

    def __init__(self):
        self.rows = TensorDataset(*make_data(ROWS))

    def __len__(self):
        return ROWS

    def __getitem__(self, index):
        torch.rand(1), np.random.rand(), random.random()
        return self.rows[index]


VALIDATION = {
    "tensors": lambda: make_data(ROWS),
    "shuffled loader": lambda: DataLoader(TensorDataset(*make_data(ROWS)), shuffle=True),
    "drawing dataset": Noisy,
    "drawing loader": lambda: DataLoader(Noisy(), batch_size=8, shuffle=True),
}


@pytest.mark.parametrize("kind", VALIDATION)
def test_validation_leaves_no_trace(kind):
    """The weights are the same with validation data as without, whatever those draw."""
    assert torch.equal(fitted(1, validation=VALIDATION[kind]()), fitted(1))


def masks(source, **arguments):
    """The dropout masks that a network draws in two epochs over a source."""
    seen = []
    dropout = nn.Dropout(0.5)
    dropout.register_forward_hook(lambda module, x, output: seen.append(output.detach() != 0))
    network = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), dropout)
    model = Model(network, "sgd", "cross_entropy", device="cpu")
    model.fit_generator(source, epochs=2, seed=1, verbose=0, **arguments)
    return torch.stack(seen)


@pytest.mark.parametrize("source", [Noisy(), TensorDataset(*make_data(ROWS))], ids=["drawing", "silent"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_dropout_does_not_depend_on_the_loader(source, shuffle):
    """The network's dropout is the same whether or not the user's loader, or its rows, draw random numbers."""
    plain = list(DataLoader(TensorDataset(*make_data(ROWS)), batch_size=8))

    assert torch.equal(masks(DataLoader(source, batch_size=8, shuffle=shuffle)), masks(plain))


def test_dropout_does_not_depend_on_the_generator():
    """The same for a generator that draws between its batches."""

    def drawing():
        while True:
            torch.rand(3)
            yield make_data(8)

    plain = [make_data(8)] * 3

    assert torch.equal(masks(drawing(), steps_per_epoch=3), masks(plain))


def test_shuffled_loader_shuffles_anew():
    """A user's shuffling loader gives another order in each epoch and for each seed, and the same for the same seed."""

    def orders(seed):
        seen = []

        class Seeing(nn.Linear):
            def forward(self, x):
                seen.append(x[:, 0].tolist())
                return super().forward(x)

        loader = DataLoader(TensorDataset(*make_data(ROWS)), batch_size=ROWS, shuffle=True)
        Model(Seeing(4, 3), "sgd", "cross_entropy", device="cpu").fit(loader, epochs=2, seed=seed, verbose=0)
        return seen

    first, second = orders(1)

    assert first != second
    assert orders(1) == [first, second]
    assert orders(2) != [first, second]


# The pieces


def test_state_holds_all_three_generators():
    """A state that was read and set again makes all three generators repeat themselves."""
    state = get_state()
    first = torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()

    set_state(state)

    assert (torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()) == first


DRAWN = {
    "nothing": lambda: None,
    "torch": lambda: torch.rand(1),
    "numpy": np.random.rand,
    "python": random.random,
    "numpy's generator": lambda: np.random.default_rng(1).random(),  # no global state
    "torch and python": lambda: (torch.rand(1), random.random()),
}
SINCE = ["nothing", "torch", "everything", "everything", "nothing", "everything"]


@pytest.mark.parametrize(("kind", "drawn"), [*zip(DRAWN, SINCE, strict=True)])
def test_who_has_drawn(kind, drawn):
    """Drawing is seen in every global generator; to look at it draws nothing."""
    with kept():
        state = get_state()
        DRAWN[kind]()
        before = draws()

        assert drawn_since(state) == drawn
        assert draws() == before


def test_one_number_of_numpy_is_seen():
    """Also where the generator has only moved its place in the numbers made already."""
    with kept():
        np.random.seed(4)
        np.random.rand()  # now 624 numbers are there, and the next one changes the place alone
        state = get_state()
        np.random.rand()

        assert drawn_since(state) == "everything"


def test_states_of_accelerators(monkeypatch):
    """The states of all GPUs and of Apple's are read and put back, where they are there."""
    cuda, mps, put = [torch.tensor([1]), torch.tensor([2])], torch.tensor([3]), {}
    monkeypatch.setattr(random_state.torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(random_state.torch.cuda, "get_rng_state_all", lambda: cuda)
    monkeypatch.setattr(random_state.torch.cuda, "set_rng_state_all", lambda state: put.update(cuda=state))
    monkeypatch.setattr(random_state.torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(random_state.torch.mps, "get_rng_state", lambda: mps)
    monkeypatch.setattr(random_state.torch.mps, "set_rng_state", lambda state: put.update(mps=state))

    set_torch_state(get_torch_state())

    assert put == {"cuda": cuda, "mps": mps}


@pytest.mark.parametrize("place", [0, 1])
def test_draws_of_accelerators_are_seen(place, monkeypatch):
    """A draw on any of the GPUs is one."""
    cuda = [torch.tensor([1]), torch.tensor([2])]
    monkeypatch.setattr(random_state.torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(random_state.torch.cuda, "get_rng_state_all", lambda: [state.clone() for state in cuda])
    state = get_state()
    before = drawn_since(state)

    cuda[place] += 1

    assert (before, drawn_since(state)) == ("nothing", "torch")


def test_kept_puts_back_after_an_exception():
    """What happens inside `kept` leaves no trace, also where it ends by an exception."""
    before = draws()

    def fail():
        torch.rand(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), kept():
        fail()

    assert draws() == before


def test_seeded_is_torchs_seed():
    """`seeded` starts all generators as their own seeding functions do."""
    with seeded(11):
        inside = torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()

    with kept():
        torch.manual_seed(11)
        np.random.seed(11)
        random.seed(11)
        assert inside == (torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random())


def test_drawn_seeds_follow_torchs_generator():
    """A drawn seed is governed by `torch.manual_seed`, and fits every generator."""
    with kept():
        torch.manual_seed(3)
        first = [draw_seed() for _ in range(3)]
        torch.manual_seed(3)
        assert [draw_seed() for _ in range(3)] == first

    assert all(0 <= seed < 2**31 for seed in first)
    assert len(set(first)) == 3


def test_aside_goes_on_by_itself():
    """The second state goes on from item to item, and the first one does not move."""
    aside = Aside()
    before = draws()

    numbers = list(aside.iterate(torch.rand(1).item() for _ in range(3)))

    assert len(set(numbers)) == 3
    assert draws() == before


def test_aside_passes_errors_on():
    """An exception of the user's iterator comes through, and the first state is put back."""

    def failing():
        torch.rand(1)
        raise ValueError("no more")
        yield

    before = draws()

    with pytest.raises(ValueError, match="no more"):
        list(Aside().iterate(failing()))

    assert draws() == before
