"""Mistakes at the door: what happened, what was expected, what to do; before the first step."""

from typing import Any

import numpy as np
import pandas as pd
import poutyne
import pytest
import torch
from torch import nn
from transformers import AutoModel

from keraslike import Model
from keraslike.errors import ArgumentError, DataError, KeraslikeError, LabelError
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()


@pytest.fixture
def model(smallest_bert: str) -> Model:
    """A model that is not built yet; a mistake in fit must leave it so."""
    return Model(smallest_bert, task="text-classification", device="cpu")


@pytest.fixture
def plain_model() -> Model:
    return Model(nn.Linear(2, 1), "sgd", "mse", device="cpu")


def refusal(kind: type[KeraslikeError], act: Any) -> KeraslikeError:
    """Give the error of an act, which says what was expected and what to do."""
    with pytest.raises(kind) as caught:
        act()
    assert str(caught.value).startswith(caught.value.what)
    assert caught.value.expected
    assert f"\n  Expected: {caught.value.expected}" in str(caught.value)
    return caught.value


def test_three_parts(model: Model):
    """An error says in three lines what happened, what was expected, and what to do."""
    with pytest.raises(DataError) as caught:
        model.fit(["a", "b", "c", "d", "e"], [0, 1, 0, 1], verbose=0)

    assert str(caught.value) == (
        "x has 5 texts but y has 4 labels.\n"
        "  Expected: one label per text.\n"
        "  Do: check that x and y come from the same rows, in the same order."
    )
    assert not hasattr(model, "network")


# Arguments


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("epoch", "epochs"), ("batchsize", "batch_size"), ("lerning_rate", "learning_rate"), ("shufle", "shuffle")],
)
def test_misspelt_argument(typed: str, meant: str, model: Model):
    """A misspelt argument of fit gets the nearest name, from the signature or the options."""
    error = refusal(ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, **{typed: 1}))

    assert error.what == f"fit() has no argument {typed!r}."
    assert error.do == f"did you mean {meant!r}?"
    assert meant in error.expected


@pytest.mark.parametrize(
    ("typed", "ours"),
    [
        ("num_train_epochs", "epochs"),  # transformers
        ("per_device_train_batch_size", "batch_size"),
        ("warmup_ratio", "warmup"),
        ("max_grad_norm", "clip_norm"),
        ("eval_dataset", "validation_data"),
        ("max_epochs", "epochs"),  # Lightning, skorch
        ("accumulate_grad_batches", "gradient_accumulation_steps"),
        ("clipnorm", "clip_norm"),  # Keras
        ("lr", "learning_rate"),
        ("random_state", "seed"),  # scikit-learn
        ("validation_fraction", "validation_split"),
    ],
)
def test_words_of_other_libraries(typed: str, ours: str, model: Model):
    """Another library's word is answered with ours."""
    error = refusal(ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, **{typed: 1}))

    assert error.do == f"write {ours}=."


def test_misspelt_argument_of_evaluate(model: Model):
    """Evaluate looks at its own arguments."""
    error = refusal(ArgumentError, lambda: model.evaluate(TEXTS, SENTIMENTS, batchsize=3))

    assert error.what == "evaluate() has no argument 'batchsize'."
    assert error.do == "did you mean 'batch_size'?"


def test_misspelt_argument_of_predict(model: Model):
    """Predict looks at its own arguments."""
    error = refusal(ArgumentError, lambda: model.predict(TEXTS, batchsize=3))

    assert error.do == "did you mean 'batch_size'?"


@pytest.mark.parametrize("name", ["checkpoint", "resume"])
def test_arguments_that_do_not_work_yet(name: str, model: Model):
    """What does not exist yet is not accepted in silence."""
    error = refusal(ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, **{name: True}))

    assert error.what == f"fit() has no argument {name!r} yet."


@pytest.mark.parametrize("name", ["batch_size", "micro_batch_size", "epochs", "steps_per_epoch", "batches_per_step"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True])
def test_counts(name: str, value: Any, model: Model):
    """Counts are ints of at least 1."""
    error = refusal(ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, **{name: value}))

    assert error.what == f"{name}={value!r} is not a count."
    assert error.expected == "an int of at least 1."


def test_initial_epoch_of_keras(model: Model):
    """Epochs are counted from 1: Keras' initial_epoch=0 is refused in words."""
    error = refusal(ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, initial_epoch=0))

    assert "counted from 1" in str(error.do)


@pytest.mark.parametrize("share", [1.0, 1.5, -0.1, 1])
def test_validation_split(share: Any, model: Model):
    """validation_split is a share between 0 and 1."""
    error = refusal(ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, validation_split=share))

    assert error.what == f"validation_split is {share!r}."


def test_both_validation_arguments(model: Model):
    """Validation data are given or split off, not both."""
    error = refusal(
        ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, (TEXTS[:4], SENTIMENTS[:4]), validation_split=0.5)
    )

    assert error.what == "validation_data and validation_split are both given."


def test_both_names_of_one_number(model: Model):
    """batches_per_step and gradient_accumulation_steps are one number."""
    error = refusal(
        ArgumentError,
        lambda: model.fit(TEXTS, SENTIMENTS, batches_per_step=2, gradient_accumulation_steps=4, verbose=0),
    )

    assert "two names of one number" in error.what


@pytest.mark.parametrize(
    ("arguments", "what", "do"),
    [
        ({"schedule": "liner"}, "there is no schedule 'liner'.", "did you mean 'linear'?"),
        ({"warmup": 1.5}, "warmup=1.5 is neither", "write warmup=0.1"),
        ({"warmup": -1}, "warmup=-1 is neither", "write warmup=0.1"),
        ({"verbose": 3}, "verbose=3 is not known.", "auto"),
        ({"text": "txt"}, "there is no column 'txt'", "did you mean 'text'?"),
        ({"target": "lable"}, "there is no column 'lable'", "did you mean 'label'?"),
    ],
)
def test_values(arguments: dict[str, Any], what: str, do: str, model: Model):
    """Values that mean nothing are refused with the choices and the nearest one."""
    table = {"text": TEXTS, "label": SENTIMENTS}

    error = refusal(ArgumentError, lambda: model.fit(table, **{"verbose": 0, **arguments}))

    assert what in error.what
    assert do in str(error.do)


@pytest.mark.parametrize(
    ("arguments", "what", "do"),
    [
        ({"optimizer": "adamm"}, "there is no optimizer 'adamm'.", "did you mean 'adam'?"),
        ({"loss_function": "cross_entrop"}, "There is no loss named 'cross_entrop'.", "did you mean 'cross_entropy'?"),
        ({"metrics": ["acuracy"]}, "There is no metric named 'acuracy'.", "did you mean 'accuracy'?"),
    ],
)
def test_misspelt_names(arguments: dict[str, Any], what: str, do: str, smallest_bert: str):
    """Misspelt optimizers, losses and metrics get the nearest name, where the network is built at once."""
    error = refusal(
        ArgumentError,
        lambda: Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu", **arguments),
    )

    assert error.what == what
    assert error.do == do


@pytest.mark.parametrize("arguments", [{"optimizer": "adamm"}, {"loss_function": "cross_entropi"}])
def test_misspelt_names_are_found_before_any_step(arguments: dict[str, Any], smallest_bert: str):
    """Where the network is built at fit, a misspelt name is found at the latest then, and nothing is shown."""

    def act() -> None:
        Model(smallest_bert, task="text-classification", device="cpu", **arguments).fit(TEXTS, SENTIMENTS, verbose=0)

    assert "did you mean" in str(refusal(ArgumentError, act).do)


# What was bound to parameters before there were any


def test_optimizer_object_with_an_unbuilt_network(smallest_bert: str):
    """An optimizer object cannot belong to a network that does not exist yet."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)

    error = refusal(ArgumentError, lambda: Model(smallest_bert, optimizer, task="text-classification"))

    assert error.what == "an optimizer object (SGD) was given, but the network is not built yet."
    assert '{"optim": "adamw", "lr": 5e-5}' in str(error.do)


def test_callback_with_an_unbuilt_network(model: Model):
    """Poutyne's ClipNorm holds parameters: it is refused before the network exists, with our argument in its place."""
    callback = poutyne.ClipNorm(nn.Linear(2, 2).parameters(), max_norm=1)

    error = refusal(ArgumentError, lambda: model.fit(TEXTS, SENTIMENTS, callbacks=[callback], verbose=0))

    assert error.what == "the callback ClipNorm holds parameters, but the network is not built yet."
    assert "clip_norm=1.0" in str(error.do)
    assert not hasattr(model, "network")


def test_callback_with_a_built_network(smallest_bert: str):
    """With labels= the network is there at once, and so are the parameters that ClipNorm holds."""
    model = Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu")
    callback = poutyne.ClipNorm(model.network.parameters(), max_norm=1)

    history = model.fit(TEXTS, SENTIMENTS, epochs=1, callbacks=[callback], verbose=0)

    assert np.isfinite(history[0]["loss"])


# Data


def test_no_targets(model: Model):
    """Texts without labels are refused with the call to write."""
    error = refusal(DataError, lambda: model.fit(TEXTS, verbose=0))

    assert error.what == "there are 40 texts but no labels."
    assert "fit(texts, labels)" in str(error.do)


def test_no_targets_in_a_table(model: Model):
    """A table whose target cannot be told gets the line that names it."""
    table = pd.DataFrame({"text": TEXTS, "when": range(40), "where": range(40)})

    error = refusal(DataError, lambda: model.fit(table, verbose=0))

    assert "target='when'" in str(error.do)


def test_text_column_cannot_be_told(model: Model):
    """Two columns of texts are no guess: the error lists them."""
    table = pd.DataFrame({"first": TEXTS, "second": TEXTS, "label": SENTIMENTS})

    error = refusal(DataError, lambda: model.fit(table, verbose=0))

    assert "'first', 'second'" in error.what
    assert "text='first'" in str(error.do)


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        (["a", None, "c"], "row 1 of x has no text: None."),
        (["a", "", "c"], "row 1 of x has no text: ''."),
        (["a", 7, "c"], "row 1 of x is 7, an int."),
        ([], "x is empty"),
    ],
)
def test_texts(texts: list[Any], what: str, model: Model):
    """A text that is missing, empty or of another type is named by its row."""
    error = refusal(DataError, lambda: model.fit(texts, [0, 1, 0][: len(texts)], verbose=0))

    assert what in error.what


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (["a", None, "b"], "row 1 of y has no label: None."),
        ([0, "a", 1], "kinds that do not go together"),
        ([0.5, float("nan"), 1.5], "row 1 of y has no label"),
        ([["a"], "b", ["c"]], "target 0 is ['a'] but target 1"),
    ],
)
def test_labels(labels: list[Any], what: str, model: Model):
    """A label that is missing, or of another kind than the rest, is named by its row."""
    error = refusal(DataError, lambda: model.fit(["x", "y", "z"], labels, verbose=0))

    assert what in error.what


def test_a_misspelt_path(model: Model):
    """A str given to fit is a path; one that is not there is named."""
    error = refusal(KeraslikeError, lambda: model.fit("no/such/reviews.csv", verbose=0))

    assert "no/such/reviews.csv" in error.what


def test_validation_data_without_labels(model: Model):
    """Validation data need labels as training data do."""
    error = refusal(DataError, lambda: model.fit(TEXTS, SENTIMENTS, TEXTS[:3], verbose=0))

    assert "no labels" in error.what


def test_nothing_to_predict(smallest_bert: str):
    """An empty list has nothing to predict."""
    model = Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu")

    error = refusal(KeraslikeError, lambda: model.predict([]))

    assert "empty" in error.what


def test_stream_without_labels(model: Model):
    """The labels of a stream cannot be told beforehand: they have to be named."""
    import datasets

    stream = datasets.Dataset.from_dict({"text": TEXTS, "label": SENTIMENTS}).to_iterable_dataset()

    error = refusal(LabelError, lambda: model.fit(stream, steps_per_epoch=2, epochs=1, verbose=0))

    assert "labels=" in str(error.do)


def test_probabilities_of_a_regression(smallest_bert: str):
    """A regression has no probabilities."""
    model = Model(smallest_bert, task="text-classification", device="cpu")
    model.fit(TEXTS, [i / 7 for i in range(40)], epochs=1, verbose=0)

    error = refusal(ArgumentError, lambda: model.predict_proba(TEXTS))

    assert error.do == "use predict(x)."


# Without a task


def test_lengths_without_a_task(plain_model: Model):
    """Arrays of different lengths are refused before the first step."""
    error = refusal(DataError, lambda: plain_model.fit(np.ones((5, 2)), np.ones((4, 1)), verbose=0))

    assert "5" in error.what
    assert "4" in error.what


def test_no_optimizer(smallest_bert: str):
    """A model without an optimizer is not trained."""
    model = Model(nn.Linear(2, 1), None, "mse", device="cpu")

    error = refusal(ArgumentError, lambda: model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0))

    assert 'optimizer="auto"' in str(error.do)


def test_strange_container(model: Model):
    """What holds no rows is named by its type, with the kinds that do."""
    error = refusal(DataError, lambda: model.fit(3.5, verbose=0))

    assert "3.5" in error.what or "float" in error.what


def test_errors_leave_the_random_state(model: Model):
    """A refused fit leaves the caller's random state as it was."""
    torch.manual_seed(3)
    before = torch.get_rng_state()

    refusal(DataError, lambda: model.fit(TEXTS, SENTIMENTS[:3], seed=1, verbose=0))

    assert torch.equal(torch.get_rng_state(), before)


def test_fit_after_a_refused_fit(smallest_bert: str, model: Model):
    """A mistake costs nothing: the corrected call trains as if it were the first."""
    refusal(DataError, lambda: model.fit(TEXTS, SENTIMENTS[:3], seed=1, verbose=0))

    model.fit(TEXTS, SENTIMENTS, epochs=1, seed=1, verbose=0)

    fresh = Model(smallest_bert, task="text-classification", device="cpu")
    fresh.fit(TEXTS, SENTIMENTS, epochs=1, seed=1, verbose=0)
    assert torch.equal(model.network.classifier.weight, fresh.network.classifier.weight)


def test_corrected_columns_after_a_refused_fit(model: Model):
    """A column that was misspelt once is not remembered."""
    table = {"words": TEXTS, "label": SENTIMENTS}
    refusal(ArgumentError, lambda: model.fit(table, text="wrods", verbose=0))

    history = model.fit(table, epochs=1, verbose=0)

    assert len(history) == 1


def test_columns_without_a_task():
    """Columns are a matter of rows: a model of tensors refuses them instead of passing them over."""
    model = Model(torch.nn.Linear(1, 1), "sgd", "mse", device="cpu")

    with pytest.raises(ArgumentError, match="prepare= speaks of rows"):
        model.fit([[1.0]], [[1.0]], prepare=lambda row: row)


@pytest.mark.parametrize("labels", ["spam", 2])
def test_labels_that_are_no_list(smallest_bert: str, labels: object):
    """One word or a number is not taken for a list of labels."""
    with pytest.raises(ArgumentError, match="is no list of labels"):
        Model(smallest_bert, task="text-classification", labels=labels)


def test_a_body_without_a_head(smallest_bert: str):
    """A transformer that gives no logits is told apart before the first step is done."""
    body = AutoModel.from_pretrained(smallest_bert)

    with pytest.raises(ArgumentError, match="which is a body without a head"):
        Model(body, task="text-classification", labels=["bad", "good"]).fit(["a", "b"], ["bad", "good"], verbose=0)
