"""Memory that runs out inside a step changes the size of the micro-batches, and nothing of the experiment."""

import math
import re

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.errors import KeraslikeError
from tests.engine import by_hand as hand
from tests.engine.letters import Letters, LettersTask, read, text_of
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS, BATCH, SEED = 37, 14, 7  # three optimizer steps: 14, 14, 9
ENOUGH = ROWS  # a limit that is never met
WHERE = ["forward", "backward"]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-6}


class Watch(poutyne.Callback):
    """Counts the calls, and keeps what they are given."""

    def __init__(self):
        super().__init__()
        self.began, self.backward, self.logs = [], [], []

    def on_train_batch_begin(self, batch_number, logs):
        self.began.append(batch_number)

    def on_backward_end(self, batch_number):
        self.backward.append(batch_number)

    def on_train_batch_end(self, batch_number, logs):
        self.logs.append(dict(logs))


def limited(examples, where="forward", *, dropout=0.0, dtype=torch.float64, **options):
    """Give a network and its limit; in the backward it is met when the last layer has its gradients already."""
    network = make_mlp(dropout=dropout, dtype=dtype)
    return network, hand.Limit(network[2] if where == "backward" else network, examples, where, **options)


def by_one_big_batch(dtype=torch.float64, batch=BATCH):
    """Give a network that was trained by hand without a limit, and its loss."""
    x, y = make_data(ROWS, dtype=dtype)
    network = make_mlp(dtype=dtype)
    loss = hand.learn(network, hand.sgd(network), hand.cross_entropy, hand.batches_of(batch, x, y, None))
    return network, loss


def fit(network, *, dtype=torch.float64, loss="cross_entropy", model=None, **options):
    x, y = make_data(ROWS, dtype=dtype)
    model = model or Model(network, hand.sgd(network), loss, device="cpu")
    return model, model.fit(x, y, **{"batch_size": BATCH, "shuffle": False, "seed": SEED, "verbose": 0, **options})


# The same weights


@pytest.mark.parametrize("form", hand.OUT_OF_MEMORY)
@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_weights_are_those_of_enough_memory(where, form, dtype):
    """Without dropout, wherever and in whatever form the memory runs out."""
    network, limit = limited(4, where, dtype=dtype, after=1, error=hand.OUT_OF_MEMORY[form])
    reference, loss = by_one_big_batch(dtype)

    _, history = fit(network, dtype=dtype)

    assert limit.hits == 2
    assert hand.largest_difference(network, reference) <= TOLERANCE[dtype]
    assert history[0]["loss"] == pytest.approx(loss, rel=TOLERANCE[dtype])


def test_memory_of_the_machine():
    """What torch itself raises when the machine has no more memory is understood."""
    network = make_mlp(dtype=torch.float64)
    reference, _ = by_one_big_batch()
    is_met = []

    def allocate(_, inputs):
        if len(inputs[0]) > 7:
            is_met.append(True)
            torch.empty(2**59, dtype=torch.float64)

    network.register_forward_pre_hook(allocate)
    fit(network)

    assert is_met == [True]
    assert hand.largest_difference(network, reference) <= 1e-10


@pytest.mark.parametrize("examples", [1, 2, 3, 5, 6, 7, 13])
@pytest.mark.parametrize("where", WHERE)
def test_any_limit(where, examples):
    """Halved until it fits, from the first step on."""
    network, limit = limited(examples, where)
    reference, _ = by_one_big_batch()

    model, _ = fit(network)

    assert limit.hits > 0
    assert 1 <= model.micro_batch_limit <= examples
    assert hand.largest_difference(network, reference) <= 1e-10


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("micro_batch_size", ["auto", None, 7])
def test_limit_met_in_the_middle_of_a_step(where, micro_batch_size):
    """What earlier parts of the step have added to the gradients is taken out again."""
    network, limit = limited(4, where, after=1 if micro_batch_size == 7 else 0)
    reference, loss = by_one_big_batch()

    _, history = fit(network, micro_batch_size=micro_batch_size)

    assert limit.hits > 0
    assert hand.largest_difference(network, reference) <= 1e-10
    assert history[0]["loss"] == pytest.approx(loss, rel=1e-10)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("after", [1, 2, 3])
def test_batches_of_one_step(where, after):
    """With several batches per step the whole step is done again, also where a later batch meets the limit."""
    x, y = make_data(ROWS, dtype=torch.float64)
    network, limit = limited(5, where, after=after)
    reference, loss = by_one_big_batch(batch=20)
    watch = Watch()

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    loader = DataLoader(TensorDataset(x, y), batch_size=10)
    history = model.fit(loader, batches_per_step=2, callbacks=[watch], verbose=0)

    assert limit.hits > 0
    assert hand.largest_difference(network, reference) <= 1e-10
    assert history[0]["loss"] == pytest.approx(loss, rel=1e-10)
    assert (len(watch.backward), len(watch.logs)) == (2, 4)


def test_texts_sorted_by_length():
    """Micro-batches cut by length are cut smaller; sorted, shuffled and clipped the weights stay those of the whole."""
    lengths = [3 + (5 * row) % 11 + 70 * (row % 4 == 0) for row in range(ROWS)]
    texts = [text_of(length, row) for row, length in enumerate(lengths)]
    _, table = make_data(ROWS)
    reference, network = Letters(), Letters()
    optimizer, losses = hand.sgd(reference), []
    for epoch in (1, 2):
        order = torch.from_numpy(np.random.default_rng((SEED, epoch)).permutation(ROWS))
        batches = [(read([texts[row] for row in rows]), table[rows], None) for rows in order.split(BATCH)]
        losses.append(hand.learn(reference, optimizer, hand.cross_entropy, batches, clip_norm=0.01))
    limit = hand.Limit(network.hidden, 2)

    model = Model(network, hand.sgd(network), task=LettersTask("cross_entropy", table), device="cpu")
    options = {"clip_norm": 0.01, "schedule": None, "seed": SEED, "verbose": 0}
    history = model.fit(texts, list(range(ROWS)), epochs=2, batch_size=BATCH, **options)

    assert limit.hits > 0
    assert max(limit.sizes[-10:]) <= 2
    assert hand.largest_difference(network, reference) <= 1e-10
    assert [row["loss"] for row in history] == pytest.approx(losses, rel=1e-10)


# What is put back


@pytest.mark.parametrize("where", WHERE)
def test_rerun_with_dropout(where):
    """With dropout a rerun that meets the same limit has the same bits."""
    runs = []
    for _ in range(2):
        network, limit = limited(4, where, dropout=0.4, dtype=torch.float32, after=1)
        fit(network, dtype=torch.float32, epochs=2)
        assert limit.hits == 2
        runs.append(weights_of(network))

    assert torch.equal(*runs)


@pytest.mark.parametrize("where", WHERE)
def test_random_state(where):
    """The masks of a step that is done again are drawn from where it began, as by a loop that knew the limit."""
    network, limit = limited(7, where, dropout=0.4, after=1)
    x, y = make_data(ROWS, dtype=torch.float64)
    reference = make_mlp(dropout=0.4, dtype=torch.float64)
    optimizer = hand.sgd(reference)
    torch.manual_seed(SEED)
    for parts in ([(0, 14)], [(14, 21), (21, 28)], [(28, 35), (35, 37)]):
        optimizer.zero_grad()
        for start, end in parts:
            part = F.cross_entropy(reference(x[start:end]), y[start:end], reduction="sum")
            (part / (parts[-1][1] - parts[0][0])).backward()
        optimizer.step()

    fit(network)

    assert limit.hits == 1
    assert hand.largest_difference(network, reference) <= 1e-10


class Counter(nn.Module):
    """Changes its buffers in every training forward, one in place and one by another tensor."""

    def __init__(self):
        super().__init__()
        self.register_buffer("examples", torch.zeros((), dtype=torch.float64))
        self.register_buffer("last", torch.zeros(4, dtype=torch.float64))

    def forward(self, x):
        if self.training:
            self.examples += len(x)
            self.last = self.last * 0.5 + x.detach().sum(0)
        return x


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_buffers(where, after):
    """What the forwards that failed have written into buffers is taken back."""
    mlp, limit = limited(7, where, after=after)
    network = nn.Sequential(Counter(), mlp)
    x, _ = make_data(ROWS, dtype=torch.float64)
    starts = {0: [0, 7, 14, 21, 28, 35], 1: [0, 14, 21, 28, 35], 2: [0, 14, 28, 32, 36]}[after]  # 14 is halved, and 9
    last = torch.zeros(4, dtype=torch.float64)
    for start, end in zip(starts, [*starts[1:], ROWS], strict=True):
        last = last * 0.5 + x[start:end].sum(0)

    fit(network)

    assert limit.hits == 1
    assert network[0].examples == ROWS
    torch.testing.assert_close(network[0].last, last, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("where", WHERE)
def test_metrics_and_logs(where):
    """Losses, metrics, callbacks and rates are those of a run that never ran out."""
    runs = []
    for examples in (ENOUGH, 3):
        network, limit = limited(examples, where)
        x, y = make_data(ROWS, dtype=torch.float64)
        watch = Watch()
        model = Model(
            network, hand.sgd(network), "cross_entropy", metrics=["accuracy"], batch_metrics=["accuracy"], device="cpu"
        )
        options = {"validation_data": (x, y), "epochs": 2, "schedule": "linear", "callbacks": [watch]}
        _, history = fit(network, model=model, **options)
        assert (limit.hits > 0) == (examples == 3)
        runs.append((history, watch))

    (whole, calm), (cut, met) = runs
    assert [list(row) for row in cut] == [list(row) for row in whole]
    for row, expected in zip(cut, whole, strict=True):
        assert {**row, "time": 0} == pytest.approx({**expected, "time": 0}, rel=1e-10)
    assert (met.began, met.backward) == (calm.began, calm.backward)
    for log, expected in zip(met.logs, calm.logs, strict=True):
        assert {**log, "time": 0} == pytest.approx({**expected, "time": 0}, rel=1e-10)
    assert cut.learning_rates == whole.learning_rates


def test_training_accuracy():
    """An example whose step was done again counts once."""
    network, limit = limited(3)
    x, y = make_data(ROWS, dtype=torch.float64)
    model = Model(
        network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", metrics=["accuracy"], device="cpu"
    )

    _, history = fit(network, model=model)

    limit.handle.remove()
    assert history[0]["accuracy"] == pytest.approx(accuracy_score(y, network(x).argmax(1)), abs=1e-12)


# What is remembered and said


def test_limit_is_remembered():
    """Later steps, epochs and calls of fit start with what has fitted."""
    network, limit = limited(7)
    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    before = model.micro_batch_limit

    fit(network, model=model, epochs=2)
    fit(network, model=model, micro_batch_size=10)

    assert before is None
    assert model.micro_batch_limit == 7
    assert limit.hits == 1
    assert limit.sizes[1:] == 3 * [7, 7, 7, 7, 7, 2]


def test_smaller_micro_batches_stay():
    """A limit above the user's own micro_batch_size changes nothing."""
    network, limit = limited(7)
    model, _ = fit(network)
    limit.sizes.clear()

    fit(network, model=model, micro_batch_size=5)

    assert limit.sizes == [5, 5, 4, 5, 5, 4, 5, 4]


def test_one_line_is_said(capsys):
    """The screen says once what happened and how many examples go through now; a second call says it no more."""
    network, _ = limited(7)

    model, _ = fit(network, epochs=2, verbose=2)
    first = [line for line in capsys.readouterr().out.splitlines() if "memory" in line.lower()]
    fit(network, model=model, verbose=2)
    second = capsys.readouterr()

    assert len(first) == 1
    assert "7" in first[0]
    assert "memory" not in second.out.lower()
    assert second.err == ""


def test_silent_where_silence_was_asked_for(capsys):
    """With verbose=0 nothing is said."""
    network, _ = limited(7)

    fit(network, verbose=0)

    assert capsys.readouterr() == ("", "")


# Where it ends


@pytest.mark.parametrize("form", hand.OUT_OF_MEMORY)
@pytest.mark.parametrize("where", WHERE)
def test_not_even_one_example(where, form):
    """Down to one example, then an error that says what to do; the weights are those before the step."""
    network, limit = limited(0, where, error=hand.OUT_OF_MEMORY[form])
    before = weights_of(network)

    with pytest.raises(KeraslikeError, match=r"(?i)memory") as caught:
        fit(network)

    assert limit.sizes[-1] == 1
    assert limit.hits <= 1 + math.ceil(math.log2(BATCH)) + 1
    assert re.search("(one|1|single) example", caught.value.what)
    assert caught.value.do
    assert torch.equal(weights_of(network), before)


def test_the_model_lives_on():
    """After that error the model learns as if nothing had been, once there is memory."""
    network, limit = limited(0)
    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    with pytest.raises(KeraslikeError):
        fit(network, model=model)
    reference, loss = by_one_big_batch()
    limit.examples = ENOUGH

    _, history = fit(network, model=model)

    assert hand.largest_difference(network, reference) <= 1e-10
    assert history[0]["loss"] == pytest.approx(loss, rel=1e-10)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (14x4 and 5x16)"),
        RuntimeError("the memory of an elephant"),
        ValueError("CUDA out of memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_pass_through(error):
    """An error of another kind is the user's to see, untouched, and nothing is tried again."""
    network, limit = limited(7, error=lambda: error)

    with pytest.raises(type(error)) as caught:
        fit(network)

    assert caught.value is error
    assert limit.hits == 1


# Layers and losses that cannot be cut


def make_norm():
    mlp = make_mlp(dtype=torch.float64)
    return nn.Sequential(mlp[0], nn.BatchNorm1d(16, dtype=torch.float64), *mlp[1:])


@pytest.mark.parametrize("micro_batch_size", ["auto", None])
def test_batch_norm_is_not_cut(micro_batch_size):
    """A layer that mixes examples would learn something else from parts: the error says so, and what to do."""
    network = make_norm()
    limit = hand.Limit(network, 7)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    with pytest.raises(KeraslikeError, match="BatchNorm") as caught:
        fit(network, micro_batch_size=micro_batch_size)

    assert limit.sizes == [14]
    assert "batch_size" in caught.value.do
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_batch_norm_goes_through_whole():
    """With enough memory "auto" sends batches of such a network through at once."""
    network = make_norm()
    limit = hand.Limit(network, ENOUGH)
    reference = make_norm()
    x, y = make_data(ROWS, dtype=torch.float64)
    hand.learn(reference, hand.sgd(reference), hand.cross_entropy, hand.batches_of(BATCH, x, y, None))

    fit(network, micro_batch_size="auto")

    assert limit.sizes == [14, 14, 9]
    assert hand.largest_difference(network, reference) <= 1e-10


def test_batch_norm_cut_by_the_user(capsys):
    """A number is the user's word: each part has its own statistics, and the screen says once what that means."""
    network, reference = make_norm(), make_norm()
    x, y = make_data(ROWS, dtype=torch.float64)
    optimizer = hand.sgd(reference)
    for parts in ([(0, 7), (7, 14)], [(14, 21), (21, 28)], [(28, 35), (35, 37)]):
        optimizer.zero_grad()
        for start, end in parts:
            part = F.cross_entropy(reference(x[start:end]), y[start:end], reduction="sum")
            (part / (parts[-1][1] - parts[0][0])).backward()
        optimizer.step()

    fit(network, micro_batch_size=7, verbose=2)
    said = [line for line in capsys.readouterr().out.splitlines() if "BatchNorm" in line]

    assert len(said) == 1
    assert hand.largest_difference(network, reference) <= 1e-10


def bare(outputs, targets):
    return F.cross_entropy(outputs, targets)


def test_a_bare_function_is_not_cut():
    """A function may look at the whole batch: only a number allows to cut it, which the error says."""
    network, limit = limited(7)

    with pytest.raises(KeraslikeError, match=r"(?i)memory") as caught:
        fit(network, loss=bare)

    assert limit.sizes == [14]
    assert "micro_batch_size" in caught.value.do


def test_a_bare_function_that_the_user_has_cut():
    """With a number its mean is one over examples, and may be cut further."""
    network, limit = limited(3, after=2)
    reference, loss = by_one_big_batch()

    _, history = fit(network, loss=bare, micro_batch_size=7)

    assert limit.hits > 0
    assert hand.largest_difference(network, reference) <= 1e-10
    assert history[0]["loss"] == pytest.approx(loss, rel=1e-10)


# Measuring and predicting


@pytest.mark.parametrize("examples", [1, 4, 7])
@pytest.mark.parametrize("form", hand.OUT_OF_MEMORY)
def test_evaluate(examples, form):
    """Loss and metrics are those of the whole; the batches are cut until they fit."""
    network, limit = limited(examples, error=hand.OUT_OF_MEMORY[form])
    x, y = make_data(ROWS, dtype=torch.float64)
    logits = make_mlp(dtype=torch.float64)(x).detach()
    model = Model(network, None, "cross_entropy", metrics=["accuracy"], device="cpu")

    values = model.evaluate(x, y, batch_size=BATCH, return_dict=True, verbose=0)

    assert limit.hits > 0
    assert values["loss"] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-10)
    assert values["accuracy"] == pytest.approx(accuracy_score(y, logits.argmax(1)), abs=1e-12)


@pytest.mark.parametrize("examples", [1, 4, 7])
@pytest.mark.parametrize("form", hand.OUT_OF_MEMORY)
def test_predict(examples, form):
    """Every row has its answer, in the user's order."""
    network, limit = limited(examples, error=hand.OUT_OF_MEMORY[form])
    x, _ = make_data(ROWS, dtype=torch.float64)
    outputs = make_mlp(dtype=torch.float64)(x).detach().numpy()
    model = Model(network, None, "cross_entropy", device="cpu")

    given = model.predict(x, batch_size=BATCH)

    assert limit.hits > 0
    np.testing.assert_allclose(given, outputs, rtol=1e-12)


def test_texts_measured_and_predicted():
    """With a task too: evaluate, predict and the validation of fit survive, the answers in the user's order."""
    texts = [text_of(3 + (7 * row) % 23, row) for row in range(ROWS)]
    rows, (_, table) = list(range(ROWS)), make_data(ROWS)
    logits = Letters()(read(texts)).detach()
    loss = F.cross_entropy(logits, table).item()
    network = Letters()
    limit = hand.Limit(network.hidden, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    model = Model(network, optimizer, task=LettersTask("cross_entropy", table), metrics=["accuracy"], device="cpu")

    history = model.fit(texts, rows, validation_data=(texts, rows), epochs=1, verbose=0)
    values = model.evaluate(texts, rows, verbose=0)

    assert limit.hits > 0
    assert [history[0]["val_loss"], values["loss"]] == pytest.approx([loss, loss], rel=1e-10)
    assert values["accuracy"] == pytest.approx(accuracy_score(table, logits.argmax(1)), abs=1e-12)
    np.testing.assert_allclose(model.predict_logits(texts), logits.numpy(), rtol=1e-10)
    assert model.predict(texts) == logits.argmax(1).tolist()


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_not_even_one_example_is_measured(verb):
    """Where one example does not fit, the error says what to do."""
    network, _ = limited(0)
    x, y = make_data(ROWS, dtype=torch.float64)
    model = Model(network, None, "cross_entropy", device="cpu")

    with pytest.raises(KeraslikeError, match=r"(?i)memory") as caught:
        model.evaluate(x, y, verbose=0) if verb == "evaluate" else model.predict(x)

    assert caught.value.do


def test_batch_norm_is_cut_where_nothing_is_learned():
    """In evaluation a layer of running statistics mixes nothing, so its batches are cut as any other's."""
    network = make_norm().eval()
    x, y = make_data(ROWS, dtype=torch.float64)
    outputs = network(x).detach()
    limit = hand.Limit(network, 4)
    model = Model(network, None, "cross_entropy", device="cpu")

    loss = model.evaluate(x, y, batch_size=BATCH, return_dict=True, verbose=0)["loss"]

    assert limit.hits > 0
    assert loss == pytest.approx(F.cross_entropy(outputs, y).item(), rel=1e-10)
    np.testing.assert_allclose(model.predict(x, batch_size=BATCH), outputs.numpy(), rtol=1e-12)
