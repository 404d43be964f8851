"""Poutyne's own way works unchanged: its listing, callbacks, metrics, loggers and bundles, with Poutyne's numbers."""

import csv
import warnings

import numpy as np
import poutyne
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import keraslike
from keraslike import Experiment, Model, ModelBundle

SAME = {"rel": 1e-6, "abs": 1e-6}


def make_network(outputs=3):
    """A network with the same weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, outputs))


def make_data(rows, seed=0):
    """Rows of 5 numbers whose class is the largest of the first three."""
    x = np.random.default_rng(seed).normal(size=(rows, 5)).astype("float32")
    return x, x[:, :3].argmax(1)


def make_values(rows):
    """The same rows with a number each."""
    x, _ = make_data(rows)
    return x, x[:, :1] - x[:, 1:2]


def test_listing():
    """Poutyne's ten lines run as they stand in its documentation, but for the device at hand."""
    network = make_network()
    X_train, y_train = make_data(300)  # noqa: N806  # the listing's own names
    X_val, y_val = make_data(60, 1)  # noqa: N806  # the listing's own names
    X_test, y_test = make_data(120, 2)  # noqa: N806  # the listing's own names

    model = Model(network, "sgd", "cross_entropy", batch_metrics=["accuracy"], epoch_metrics=["f1"], device="cpu")
    model.fit(X_train, y_train, validation_data=(X_val, y_val), epochs=5, batch_size=64)
    loss, (accuracy, f1) = model.evaluate(X_test, y_test, batch_size=128)

    predicted = model.predict(X_test)
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(predicted), torch.from_numpy(y_test)).item()
    assert loss == pytest.approx(expected, rel=1e-6)
    assert accuracy == pytest.approx(100 * np.mean(predicted.argmax(1) == y_test))
    assert 0 <= f1 <= 1
    assert [row["epoch"] for row in model.history] == [1, 2, 3, 4, 5]


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def histories(data, loss="cross_entropy", optimizer="sgd", outputs=3, callbacks=list, epochs=3, verb="fit", **metrics):
    """The rows of poutyne.Model and of keraslike.Model on the same unshuffled data."""
    rows = []
    for kind in (poutyne.Model, Model):
        made = {name: make() for name, make in metrics.items()}
        model = kind(make_network(outputs), optimizer, loss, device="cpu", **made)
        x, y = data
        loader = DataLoader(TensorDataset(torch.as_tensor(x), torch.as_tensor(y)), batch_size=16)
        rows.append(model.fit_generator(loader, loader, epochs=epochs, callbacks=callbacks(), verbose=False))
    return rows


def assert_same(theirs, ours):
    assert len(ours) == len(theirs)
    for our, their in zip(without_time(ours), without_time(theirs), strict=True):
        assert our == pytest.approx(their, nan_ok=True, **SAME)


METRICS = {
    "names": {"batch_metrics": lambda: ["accuracy", "cross_entropy"], "epoch_metrics": lambda: ["f1", "precision"]},
    "renamed": {"batch_metrics": lambda: [("hits", "accuracy")], "epoch_metrics": lambda: [("score", "f1")]},
    "twice": {"batch_metrics": lambda: ["accuracy", "accuracy"]},
    "precision and recall": {"epoch_metrics": lambda: ["precision", "recall", poutyne.FBeta(average="micro")]},
    "functions": {"batch_metrics": lambda: [lambda y_pred, y_true: (y_pred.argmax(1) == y_true).float().mean()]},
}


@pytest.mark.parametrize("case", METRICS)
def test_metrics(case):
    """Poutyne's metrics, by name, object, function or tuple, give Poutyne's numbers under Poutyne's names."""
    assert_same(*histories(make_data(50), **METRICS[case]))


def test_torchmetrics_objects():
    """Objects of torchmetrics work as batch and epoch metrics and keep their state apart."""
    import torchmetrics

    kinds = [torchmetrics.Accuracy, torchmetrics.F1Score, torchmetrics.CohenKappa]
    metrics = [("accuracy", kinds[0]), ("f1", kinds[1]), ("kappa", kinds[2])]

    def make():
        return [(name, kind(task="multiclass", num_classes=3)) for name, kind in metrics]

    assert_same(*histories(make_data(50), epoch_metrics=make))
    assert_same(*histories(make_data(50), batch_metrics=make))


def test_scikit_learn_metrics():
    """`SKLearnMetrics` collects an epoch's outputs, which are the network's own."""

    def make():
        def balanced(y_true, y_pred, sample_weight=None):
            return balanced_accuracy_score(y_true, y_pred.argmax(1))

        return [poutyne.SKLearnMetrics(balanced), poutyne.SKLearnMetrics([balanced], names=["again"])]

    theirs, ours = histories(make_data(50), epoch_metrics=make)

    assert_same(theirs, ours)
    assert ours[-1]["balanced"] == ours[-1]["again"]


@pytest.mark.parametrize("loss", ["mse", "smooth_l1", "l1", nn.MSELoss(), nn.HuberLoss(), torch.nn.functional.mse_loss])
def test_losses_of_numbers(loss):
    """Losses by name, object and function give Poutyne's numbers."""
    assert_same(*histories(make_values(50), loss, outputs=1))


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "multi_margin", nn.CrossEntropyLoss(), torch.nn.functional.cross_entropy]
)
def test_losses_of_classes(loss):
    """The same for classes."""
    assert_same(*histories(make_data(50), loss))


def test_a_loss_of_ones_own():
    """A function `(y_pred, y_true)` is averaged over the examples, as Poutyne does."""
    assert_same(*histories(make_values(50), lambda y_pred, y_true: (y_pred - y_true).abs().sqrt().mean(), outputs=1))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", {"optim": "sgd", "lr": 0.1, "momentum": 0.5}])
def test_optimizers(optimizer):
    """Optimizers by name and dict are Poutyne's, rates included."""
    assert_same(*histories(make_data(50), optimizer=optimizer))


CALLBACKS = {
    "EarlyStopping": lambda: [poutyne.EarlyStopping(monitor="val_loss", min_delta=10, patience=1, verbose=False)],
    "TerminateOnNaN": lambda: [poutyne.TerminateOnNaN()],
    "BestModelRestore": lambda: [poutyne.BestModelRestore(monitor="val_loss", mode="max", verbose=False)],
    "DelayCallback": lambda: [poutyne.DelayCallback(poutyne.StepLR(step_size=1), epoch_delay=1)],
    "ReduceLROnPlateau": lambda: [poutyne.ReduceLROnPlateau(monitor="val_loss", mode="max", factor=0.1, patience=0)],
    "StepLR": lambda: [poutyne.StepLR(step_size=1, gamma=0.5)],
    "ExponentialLR": lambda: [poutyne.ExponentialLR(gamma=0.5)],
    "CosineAnnealingLR": lambda: [poutyne.CosineAnnealingLR(T_max=3)],
    "OptimizerPolicy": lambda: [poutyne.OptimizerPolicy(poutyne.one_cycle_phases(100, lr=(0.01, 0.1)))],
    "stop by hand": lambda: [Stopping()],
    "two": lambda: [poutyne.StepLR(step_size=1), poutyne.EarlyStopping(patience=1, min_delta=10, verbose=False)],
}


class Stopping(poutyne.Callback):
    def on_epoch_end(self, epoch_number, logs):
        self.model.stop_training = epoch_number == 2


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks(name):
    """Poutyne's callbacks do what they do in Poutyne: the same rows, the same number of them."""
    assert_same(*histories(make_data(50), optimizer={"optim": "sgd", "lr": 0.1}, callbacks=CALLBACKS[name]))


@pytest.mark.parametrize("name", ["ClipNorm", "ClipValue"])
def test_clipping_callbacks(name):
    """Callbacks that are bound to a network's parameters clip them before each optimizer step."""
    rows = []
    for kind in (poutyne.Model, Model):
        network = make_network()
        clip = {"ClipNorm": poutyne.ClipNorm, "ClipValue": poutyne.ClipValue}[name](network.parameters(), 0.01)
        model = kind(network, {"optim": "sgd", "lr": 1.0}, "cross_entropy", device="cpu")
        loader = DataLoader(TensorDataset(*map(torch.as_tensor, make_data(50))), batch_size=16)
        rows.append(model.fit_generator(loader, loader, epochs=2, callbacks=[clip], verbose=False))

    assert_same(*rows)
    assert rows[1][1]["loss"] < rows[1][0]["loss"]


@pytest.mark.parametrize(
    "save", [{}, {"save_best_only": True, "monitor": "val_loss"}, {"restore_best": True, "save_best_only": True}]
)
def test_model_checkpoint(tmp_path, save):
    """`ModelCheckpoint` writes the weights that a plain Poutyne model reads."""
    model = Model(make_network(), "sgd", "cross_entropy", device="cpu")
    path = str(tmp_path / "weights_{epoch}.ckpt") if not save else str(tmp_path / "best.ckpt")
    checkpoint = poutyne.ModelCheckpoint(path, verbose=False, **save)

    model.fit(*make_data(50), make_data(20, 1), epochs=2, callbacks=[checkpoint], verbose=0)

    written = sorted(file.name for file in tmp_path.iterdir())
    assert written == (["best.ckpt"] if save else ["weights_1.ckpt", "weights_2.ckpt"])
    plain = poutyne.Model(make_network(), "sgd", "cross_entropy")
    plain.load_weights(str(tmp_path / written[-1]))
    np.testing.assert_allclose(plain.predict(make_data(5)[0], verbose=False), model.predict(make_data(5)[0]), rtol=1e-6)


def test_optimizer_checkpoint(tmp_path):
    """`OptimizerCheckpoint` writes a state that the model takes up again."""
    model = Model(make_network(), "adam", "cross_entropy", device="cpu")

    model.fit(
        *make_data(50),
        callbacks=[poutyne.OptimizerCheckpoint(str(tmp_path / "{epoch}.optim"), verbose=False)],
        verbose=0,
    )
    again = Model(make_network(), "adam", "cross_entropy", device="cpu")
    again.load_optimizer_state(str(tmp_path / "1.optim"))

    states = [list(made.optimizer.state_dict()["state"].values()) for made in (model, again)]
    torch.testing.assert_close(*states)


@pytest.mark.parametrize("kind", [poutyne.CSVLogger, poutyne.AtomicCSVLogger])
@pytest.mark.parametrize("granularity", ["epoch", "batch"])
def test_csv_loggers(tmp_path, kind, granularity):
    """Poutyne's loggers write the rows that they write for Poutyne, with the same columns."""
    tables = []
    for make in (poutyne.Model, Model):
        file = tmp_path / f"{make.__module__}.csv"
        model = make(make_network(), "sgd", "cross_entropy", batch_metrics=["accuracy"], device="cpu")
        loader = DataLoader(TensorDataset(*map(torch.as_tensor, make_data(50))), batch_size=16)
        logger = kind(str(file), batch_granularity=granularity == "batch", separator=",")
        model.fit_generator(loader, loader, epochs=2, callbacks=[logger], verbose=False)
        with file.open() as lines:
            tables.append([{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(lines)])

    theirs, ours = tables
    assert [list(row) for row in ours] == [list(row) for row in theirs]
    for our, their in zip(ours, theirs, strict=True):
        assert [float(v or "nan") for v in our.values()] == pytest.approx(
            [float(v or "nan") for v in their.values()], nan_ok=True, **SAME
        )


def test_tensorboard_logger(tmp_path):
    """`TensorBoardLogger` writes every number of the history."""
    pytest.importorskip("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorboard's own, at its import
        from torch.utils.tensorboard import SummaryWriter
    model = Model(make_network(), "sgd", "cross_entropy", device="cpu")

    with SummaryWriter(str(tmp_path)) as writer:
        model.fit(*make_data(20), epochs=2, callbacks=[poutyne.TensorBoardLogger(writer)], verbose=0)

    assert list(tmp_path.iterdir())


def test_gradient_tracker_reads_gradients_at_the_batch_end():
    """After a batch's last call the gradients of its optimizer step are still there, as in Poutyne."""
    norms = []
    for kind in (poutyne.Model, Model):
        model = kind(make_network(), "sgd", "cross_entropy", device="cpu")
        seen = []
        record = poutyne.LambdaCallback(
            on_train_batch_end=lambda number, logs, model=model, seen=seen: seen.append(
                [float(p.grad.norm()) for p in model.network.parameters()]
            )
        )
        loader = DataLoader(TensorDataset(*map(torch.as_tensor, make_data(50))), batch_size=16)
        model.fit_generator(loader, epochs=1, callbacks=[record], verbose=False)
        norms.append(seen)

    np.testing.assert_allclose(norms[1], norms[0], rtol=1e-5)


def test_lambda_callback_reads_logs():
    """Logs of a batch are read as a dict is, and go into files and formats as numbers."""
    lines = []
    model = Model(make_network(), "sgd", "cross_entropy", batch_metrics=["accuracy"], device="cpu")

    model.fit(
        *make_data(20),
        callbacks=[
            poutyne.LambdaCallback(
                on_train_batch_end=lambda number, logs: lines.append("{loss:.3f} {acc:.1f}".format(**logs))
            )
        ],
        verbose=0,
    )

    assert len(lines) == 1
    assert float(lines[0].split()[0]) == pytest.approx(model.history[0]["loss"], abs=1e-3)


def test_progress_options_give_poutynes_display(capsys):
    """progress_options hand the display to Poutyne's own callback."""
    model = Model(make_network(), "sgd", "cross_entropy", device="cpu")

    model.fit(*make_data(20), progress_options={"coloring": False, "progress_bar": False})

    assert "Train steps: 1" in capsys.readouterr().out


# Evaluate and predict


def test_evaluate_and_predict():
    """Both evaluate and predict give Poutyne's forms and numbers."""
    x, y = make_data(50)
    metrics = {"batch_metrics": ["accuracy"], "epoch_metrics": ["f1"], "device": "cpu"}
    theirs = poutyne.Model(make_network(), "sgd", "cross_entropy", **metrics)
    ours = Model(make_network(), "sgd", "cross_entropy", **metrics)

    loss, values = theirs.evaluate(x, y, verbose=False)
    our_loss, our_values = ours.evaluate(x, y, verbose=0)
    *_, their_outputs = theirs.evaluate(x, y, return_pred=True, verbose=False)
    *_, our_outputs = ours.evaluate(x, y, return_pred=True, verbose=0)

    assert our_loss == pytest.approx(loss, **SAME)
    assert list(our_values) == pytest.approx(list(values), **SAME)
    np.testing.assert_allclose(our_outputs, their_outputs, rtol=1e-6)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=False), rtol=1e-6)


def test_dict_forms():
    """return_dict_format is Poutyne's dict; return_dict the same without prefix and time."""
    x, y = make_data(50)
    metrics = {"batch_metrics": ["accuracy"], "device": "cpu"}
    theirs = poutyne.Model(make_network(), "sgd", "cross_entropy", **metrics)
    ours = Model(make_network(), "sgd", "cross_entropy", **metrics)

    their_logs = theirs.evaluate(x, y, return_dict_format=True, verbose=False)
    our_logs = ours.evaluate(x, y, return_dict_format=True, verbose=0)

    assert list(our_logs) == list(their_logs)
    assert without_time([our_logs])[0] == pytest.approx(without_time([their_logs])[0], **SAME)
    values = ours.evaluate(x, y, return_dict=True, verbose=0)
    assert values == pytest.approx({"loss": their_logs["test_loss"], "acc": their_logs["test_acc"]}, **SAME)
    assert {type(value) for value in values.values()} == {float}


def test_dataset_verbs():
    """The `*_dataset` verbs take torch Datasets and loading arguments, and give Poutyne's numbers."""
    dataset = TensorDataset(*map(torch.as_tensor, make_data(50)))
    loading = {"batch_size": 16, "dataloader_kwargs": {"shuffle": False}}
    rows, measured = [], []
    for kind in (poutyne.Model, Model):
        model = kind(make_network(), "sgd", "cross_entropy", batch_metrics=["accuracy"], device="cpu")
        rows.append(model.fit_dataset(dataset, dataset, epochs=2, verbose=False, **loading))
        measured.append([*model.evaluate_dataset(dataset, verbose=False)])
        measured[-1].append(model.predict_dataset(dataset, has_ground_truth=True, verbose=False).sum())

    assert_same(*rows)
    assert measured[1] == pytest.approx(measured[0], rel=1e-5)


def test_model_that_is_never_trained():
    """A model without optimizer predicts, and refuses to fit in words that Poutyne's users know."""
    model = Model(make_network(), None, "cross_entropy", device="cpu")

    assert model.predict(make_data(4)[0]).shape == (4, 3)
    with pytest.raises(ValueError, match="Impossible to fit when optimizer is None"):
        model.fit(*make_data(4), verbose=0)


def test_predict_keeps_the_outputs_structure():
    """Outputs that are tuples or dicts come back as such, as numpy arrays."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = make_network()

        def forward(self, x):
            outputs = self.layer(x)
            return outputs, {"double": 2 * outputs}

    x, _ = make_data(50)
    theirs = poutyne.Model(Two(), None, None).predict(x, verbose=False)
    ours = Model(Two(), None, None, device="cpu").predict(x)

    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
    np.testing.assert_allclose(ours[1]["double"], theirs[1]["double"], rtol=1e-6)


# Bundles

# Poutyne 1.19 drops columns in a way that pandas 3.1 warns of.
POUTYNES_PANDAS = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")


def loaders():
    return [DataLoader(TensorDataset(*map(torch.as_tensor, make_data(40, seed))), batch_size=16) for seed in range(3)]


@POUTYNES_PANDAS
def test_bundle_from_a_model(tmp_path):
    """Poutyne's `ModelBundle.from_model` trains, tests and infers with our model."""
    model = Model(make_network(), "sgd", "cross_entropy", batch_metrics=["accuracy"], device="cpu")
    bundle = poutyne.ModelBundle.from_model(str(tmp_path), model, monitor_metric="val_loss", monitor_mode="min")
    train, valid, test = loaders()

    rows = bundle.train(train, valid, epochs=2, verbose=False)
    logs = bundle.test(test, verbose=False)
    outputs = bundle.infer(torch.utils.data.DataLoader(torch.as_tensor(make_data(4)[0])), verbose=False)

    assert bundle.model is model
    assert [row["epoch"] for row in rows] == [1, 2]
    assert logs["test_loss"] > 0
    assert outputs.shape == (4, 3)


@POUTYNES_PANDAS
@pytest.mark.parametrize("make", [ModelBundle.from_network, Experiment], ids=["ModelBundle", "Experiment"])
@pytest.mark.parametrize("task", ["classif", "reg", "classification", "regression"])
def test_bundle_from_a_network(tmp_path, make, task):
    """The bundles of keraslike build our Model, with loss, metrics and numbers of Poutyne's task."""
    is_classes = task.startswith("classif")
    data = make_data(40) if is_classes else make_values(40)
    loader = DataLoader(TensorDataset(*map(torch.as_tensor, data)), batch_size=16)
    rows, logs = [], []
    for name, kind in (("theirs", poutyne.ModelBundle.from_network), ("ours", make)):
        bundle = kind(
            str(tmp_path / name), make_network(3 if is_classes else 1), optimizer="sgd", task=task, device="cpu"
        )
        rows.append(bundle.train(loader, loader, epochs=2, verbose=False))
        logs.append(bundle.test(loader, verbose=False))

    assert type(bundle.model) is Model
    assert type(bundle) is ModelBundle
    assert_same(*rows)
    assert without_time(logs[1:])[0] == pytest.approx(without_time(logs[:1])[0], **SAME)


def test_bundle_goes_on_where_it_stopped(tmp_path):
    """A second bundle in the same directory resumes behind the last epoch, as Poutyne's does."""
    train, valid, _ = loaders()
    first = Experiment(str(tmp_path), make_network(), optimizer="sgd", task="classif", device="cpu")
    first.train(train, valid, epochs=2, save_every_epoch=True, verbose=False)

    second = Experiment(str(tmp_path), make_network(), optimizer="sgd", task="classif", device="cpu")
    rows = second.train(train, valid, epochs=3, save_every_epoch=True, verbose=False)

    assert [row["epoch"] for row in rows] == [3]
    assert second.get_stats()["epoch"].tolist() == [1, 2, 3]
    assert (tmp_path / "checkpoint_epoch_3.ckpt").exists()


def test_bundle_passes_arguments_on(tmp_path):
    """Loss, metrics and monitor that are given take the place of the task's."""
    bundle = ModelBundle.from_network(
        str(tmp_path),
        make_network(),
        optimizer={"optim": "adam", "lr": 0.01},
        loss_function="multi_margin",
        batch_metrics=["accuracy"],
        epoch_metrics=["f1"],
        monitor_metric="val_acc",
        device="cpu",
    )
    train, valid, _ = loaders()

    rows = bundle.train(train, valid, epochs=1, verbose=False)

    assert list(without_time(rows)[0]) == [
        "epoch",
        "loss",
        "acc",
        "fscore_macro",
        "val_loss",
        "val_acc",
        "val_fscore_macro",
    ]
    assert bundle.model.optimizer.param_groups[0]["lr"] == 0.01


def test_network_that_names_its_loss(tmp_path):
    """A network's own loss_function and metrics attributes are used, as in Poutyne."""
    network = make_network()
    network.loss_function = torch.nn.functional.multi_margin_loss
    network.batch_metrics = ["accuracy"]

    bundle = ModelBundle.from_network(str(tmp_path), network, logging=False, device="cpu")
    train, valid, _ = loaders()

    assert list(without_time(bundle.train(train, valid, epochs=1, verbose=False))[0])[:3] == ["epoch", "loss", "acc"]


def test_all_names_are_there():
    """The names that a user of Poutyne looks for are the package's own."""
    assert {"Model", "ModelBundle", "Experiment", "ModelWrapper", "TransformerCollator", "MetricWrapper"} <= set(
        dir(keraslike)
    )
    assert issubclass(Model, poutyne.Model)
