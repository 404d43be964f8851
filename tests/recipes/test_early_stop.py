"""What `early_stop=` takes, and how it answers what it does not."""

import inspect
import math

import numpy as np
import pytest
import sklearn.metrics
import torchmetrics
from sklearn.metrics import get_scorer_names

from keraslike import AnnealOnPlateau, Model
from keraslike.engine.watching import is_direction_known, mode_of
from keraslike.errors import ArgumentError
from keraslike.metrics.base import REGISTRY
from keraslike.metrics.rows import ROW_METRICS
from keraslike.metrics.torch_metric import LISTED
from keraslike.recipes.early_stop import PATIENCE, plan_early_stop
from tests.engine.loops import make_data, make_mlp

NAMES = ["val_loss", "val_accuracy", "val_cost"]


def planned(given, names=NAMES, *, has_validation=True, has_further=False):
    return plan_early_stop(given, names, has_validation=has_validation, has_further=has_further)


@pytest.mark.parametrize("given", [None, False])
def test_nothing(given):
    """None and False watch nothing."""
    assert planned(given) is None


@pytest.mark.parametrize("given", [4, np.int64(4), {"patience": 4}, {"patience": 4, "restore_best_weights": True}])
def test_patience(given):
    """A number, or a dict with it, waits so long for a smaller validation loss."""
    stop = planned(given)

    assert (stop.monitor, stop.patience, stop.is_higher_better, stop.min_delta) == ("val_loss", 4, False, 0.0)


def test_all_of_a_dict():
    """A dict says by which value, in which direction, and what counts as better."""
    stop = planned({"monitor": "val_cost", "mode": "max", "patience": 2, "min_delta": 0.01})

    assert (stop.monitor, stop.patience, stop.is_higher_better, stop.min_delta) == ("val_cost", 2, True, 0.01)


def test_empty_dict():
    """A dict that says nothing waits for the usual number of validations."""
    assert planned({}).patience == PATIENCE


@pytest.mark.parametrize(("monitor", "is_higher_better"), [("val_loss", False), ("val_accuracy", True)])
@pytest.mark.parametrize("mode", [{}, {"mode": "auto"}, {"mode": None}])
def test_direction_of_the_name(monitor, is_higher_better, mode):
    """The direction is the value's own."""
    assert planned({"monitor": monitor, **mode}).is_higher_better is is_higher_better


@pytest.mark.parametrize(("monitor", "mode", "right"), [("val_loss", "max", "min"), ("val_accuracy", "min", "max")])
def test_direction_against_the_name(monitor, mode, right):
    """A direction that the name speaks against is refused, where the name leaves no doubt; for a plateau too."""
    for watch in (lambda: planned({"monitor": monitor, "mode": mode}), lambda: AnnealOnPlateau(monitor, mode=mode)):
        with pytest.raises(ArgumentError, match=rf'mode=\'{mode}\' is given, and of(.|\n)*mode="{right}"'):
            watch()


@pytest.mark.parametrize("monitor", ["val_margin", "val_entropy", "val_error_recall", "val_cost"])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_direction_of_a_name_in_doubt(monitor, mode):
    """Where it leaves one, the user's word holds."""
    stop = planned({"monitor": monitor, "mode": mode}, [monitor])

    assert stop.is_higher_better is (mode == "max")


def test_direction_that_nobody_knows():
    """A name that does not tell is asked about."""
    with pytest.raises(ArgumentError, match=r"larger or a smaller 'val_cost' is better(.|\n)*mode=\"max\""):
        planned({"monitor": "val_cost"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (True, r"does not say how long to wait(.|\n)*early_stop=3"),
        (2.5, "does not say how long to wait"),
        ("val_loss", r"does not say how long(.|\n)*monitor=\"val_loss\""),
        (0, r"patience of early_stop is 0(.|\n)*early_stop=1"),
        (-3, "patience of early_stop is -3"),
        ({"patience": True}, "patience of early_stop is True"),
        ({"patience": None}, "patience of early_stop is None"),
        ({"min_delta": -0.1}, r"min_delta=-0.1 is no size"),
        ({"min_delta": math.inf}, r"min_delta=inf is no size"),
        ({"mode": "maximum"}, r"mode='maximum'(.|\n)*\"max\""),
        ({"mode": "mx"}, r"mode='mx'"),
        (
            {"monitor": "val_acuracy"},
            r"watches 'val_acuracy'(.|\n)*val_loss, val_accuracy(.|\n)*did you mean 'val_accur",
        ),
        ({"monitor": "accuracy"}, r"did you mean 'val_accuracy'"),
        ({"monitor": "zzz"}, r"write early_stop=dict\(monitor='val_loss'\)"),
        ({"monitr": "val_loss"}, r"no word 'monitr'(.|\n)*did you mean 'monitor'"),
        ({"early_stopping_patience": 3}, "write patience=."),
        ({"greater_is_better": True}, "write mode=."),
        ({"tol": 0.1}, "write min_delta=."),
        ({"restore_best_weights": False}, "poutyne.EarlyStopping"),
        ({"baseline": 0.5}, "the first validation is what"),
        ({"start_from_epoch": 3}, "more patience="),
        ({"verbose": 1}, "one line says"),
    ],
    ids=str,
)
def test_refused(given, words):
    """What does not fit is refused in words, with what to write."""
    with pytest.raises(ArgumentError, match=words):
        planned(given)


def test_no_validation_data():
    """Without validation data there is nothing to watch; the error lists what there would be."""
    with pytest.raises(ArgumentError, match=r"no validation data(.|\n)*val_accuracy(.|\n)*validation_split=0.1"):
        planned(3, has_validation=False)


def test_names_that_nobody_knows_yet():
    """Where a loss or metric of the user's own may name more, an unknown name waits for the first validation."""
    assert planned({"monitor": "val_margin_loss"}, has_further=True).monitor == "val_margin_loss"


def test_before_training():
    """In `fit` the mistake is found before the first step, with this run's names."""
    model = Model(make_mlp(), "sgd", "cross_entropy", metrics=["accuracy", "f1_macro"], device="cpu")
    x, y = make_data(20)

    with pytest.raises(ArgumentError, match=r"one of val_loss, val_accuracy, val_f1_macro(.|\n)*'val_f1_macro'"):
        model.fit(x, y, (x, y), early_stop={"monitor": "val_f1_marco"}, verbose=0)
    with pytest.raises(ArgumentError, match="no validation data"):
        model.fit(x, y, early_stop=3, verbose=0)

    assert len(model.history) == 0


# Directions


def higher_is_better(name):
    """What torchmetrics says of a class, or of the one that it makes for several classes."""
    rooms = (torchmetrics.classification, torchmetrics.regression)
    kinds = [getattr(room, f"{begin}{name}", None) for room in rooms for begin in ("", "Multiclass")]
    return next((found for kind in kinds if isinstance(found := getattr(kind, "higher_is_better", None), bool)), None)


@pytest.mark.parametrize("name", [name for name in LISTED if higher_is_better(name) is not None])
def test_directions_of_torchmetrics(name):
    """The direction is the one that torchmetrics names."""
    assert (mode_of(f"val_{name}") == "max") is higher_is_better(name)
    assert is_direction_known(f"val_{name}")


FUNCTIONS = [name for name, value in vars(sklearn.metrics).items() if inspect.isfunction(value)]


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if name.endswith(("_score", "_loss", "_error", "_deviance"))]
)
def test_directions_of_scikit_learn(name):
    """As scikit-learn says: what ends with _score is to be maximised, _loss, _error and _deviance to be minimised."""
    assert mode_of(f"val_{name}") == ("max" if name.endswith("_score") else "min")
    assert is_direction_known(f"val_{name}")


@pytest.mark.parametrize("name", [name for name in get_scorer_names() if "likelihood_ratio" not in name])
def test_directions_of_scorers(name):
    """Of every scorer a larger value is better."""
    assert mode_of(f"val_{name}") == "max"
    assert is_direction_known(f"val_{name}")


@pytest.mark.parametrize("name", [*REGISTRY, *ROW_METRICS])
def test_directions_of_our_own(name):
    """The direction of every metric is known, but of a score's mean and spread, which are neither good nor bad."""
    assert is_direction_known(f"val_{name}") is (name not in ("score_mean", "score_std"))
    assert mode_of(f"val_{name}") == ("min" if name in ("mae", "mse", "perplexity") else "max")
