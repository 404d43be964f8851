"""Thresholds: from which probability on a label is given, and the search for the best one."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, fbeta_score, hamming_loss, matthews_corrcoef, recall_score

import keraslike
from keraslike import Model
from keraslike.errors import ArgumentError, DataError, NotFittedError
from keraslike.tasks.best_threshold import find_threshold
from keraslike.tasks.glue import GlueTask
from keraslike.tasks.text_classification import TextClassification
from keraslike.tasks.thresholds import Threshold, as_threshold

Rows = tuple[list[str], list[Any]]
MULTI = "multi_label_classification"


@pytest.fixture(scope="module")
def two(tiny_bert: Path, texts_and_labels: Rows) -> Model:
    """A model of two classes, trained a little."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit(*texts_and_labels, epochs=2, learning_rate=1e-3, seed=0, verbose=0)
    return model


@pytest.fixture(scope="module")
def several(tiny_bert: Path, texts_and_labels: Rows) -> Model:
    """A model of several labels, trained a little."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit(texts_and_labels[0], labels_of(texts_and_labels), epochs=2, learning_rate=1e-3, seed=0, verbose=0)
    return model


def labels_of(rows: Rows) -> list[list[str]]:
    """Give several labels for each text, or none."""
    return [[name for name in ("film", "story", "cast") if name in text] for text in rows[0]]


@pytest.fixture(autouse=True)
def forgotten(request: pytest.FixtureRequest) -> Any:
    """Let each test begin, and end, without a threshold."""
    models = [request.getfixturevalue(name) for name in ("two", "several") if name in request.fixturenames]
    yield
    for model in models:
        model.task.threshold = None


# Answers


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.55, 1.0, np.float32(0.25), torch.tensor(0.6)])
def test_two_classes(two: Model, texts_and_labels: Rows, threshold: Any):
    """The second class is given from its threshold on, else the first."""
    texts, _ = texts_and_labels
    likely = two.predict_proba(texts)[:, 1].astype(np.float64)

    assert two.predict(texts, threshold=threshold) == ["good" if p >= float(threshold) else "bad" for p in likely]


def test_the_first_class_by_its_name(two: Model, texts_and_labels: Rows):
    """A dict names the class that is given from its threshold on."""
    texts, _ = texts_and_labels
    likely = two.predict_proba(texts)[:, 0]

    assert two.predict(texts, threshold={"bad": 0.4}) == ["bad" if p >= 0.4 else "good" for p in likely]
    assert two.predict(texts[0], threshold={"bad": 0.0}) == "bad"


def test_several_labels(several: Model, texts_and_labels: Rows):
    """Each label is given from the threshold on: one for all, a list, or a dict that leaves the others at 0.5."""
    texts, names = texts_and_labels[0], several.labels
    assert names is not None
    likely = several.predict_proba(texts)

    def expected(*thresholds: float) -> list[list[Any]]:
        return [[n for n, p, t in zip(names, row, thresholds, strict=True) if p >= t] for row in likely]

    assert several.predict(texts, threshold=0.3) == expected(0.3, 0.3, 0.3)
    assert several.predict(texts, threshold=[0.1, 0.9, 0.4]) == expected(0.1, 0.9, 0.4)
    assert several.predict(texts, threshold=np.array([0.1, 0.9, 0.4])) == expected(0.1, 0.9, 0.4)
    assert several.predict(texts, threshold={names[1]: 0.05}) == expected(0.5, 0.05, 0.5)


def test_rows_of_zeros_and_ones(tiny_bert: Path, texts_and_labels: Rows):
    """Labels that were given as zeros and ones come back as such."""
    task = TextClassification(problem_type=MULTI, labels=[0, 1, 2])
    task.is_multi_hot = True
    task.threshold = as_threshold(0.6, task)

    assert task.decode(torch.tensor([[1.0, 0.1, -1.0]]), []) == [[1, 0, 0]]


def test_a_threshold_of_one_call_is_forgotten(two: Model, texts_and_labels: Rows):
    """The next call answers as before, also where the call ended in an error."""
    texts, _ = texts_and_labels
    before = two.predict(texts)
    two.predict(texts, threshold=0.9)
    with pytest.raises(keraslike.errors.KeraslikeError):
        two.predict([], threshold=0.9)

    assert two.predict(texts) == before


# The search


def brute(y: np.ndarray, p: np.ndarray, metric: Callable[..., float]) -> float:
    """Give the best value over all cuts, by trying each."""
    cuts = [*np.unique(p), 2.0]
    return max(metric(y, (p >= cut).astype(int)) for cut in cuts)


OF_TWO = {
    "f1": f1_score,
    "f1_macro": lambda y, z: f1_score(y, z, average="macro"),
    "f1_weighted": lambda y, z: f1_score(y, z, average="weighted"),
    "accuracy": accuracy_score,
    "recall": recall_score,
}
OF_SEVERAL = {
    "f1": lambda y, z: f1_score(y, z, average="macro", zero_division=0.0),
    "f1_micro": lambda y, z: f1_score(y, z, average="micro", zero_division=0.0),
    "f1_macro": lambda y, z: f1_score(y, z, average="macro", zero_division=0.0),
    "accuracy": accuracy_score,
    "binary_accuracy": lambda y, z: 1 - hamming_loss(y, z),
}


def drawn(seed: int, labels: int, rows: int = 60) -> tuple[torch.Tensor, np.ndarray]:
    """Draw logits with ties among them, and truth that has something to do with them."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(np.round(rng.normal(-1, 1.5, (rows, labels)), 1), dtype=torch.float32)
    truth = (rng.random((rows, labels)) < torch.sigmoid(logits - 0.7).numpy()).astype(np.int64)
    return logits, truth


@pytest.mark.parametrize("metric", OF_TWO)
@pytest.mark.parametrize("seed", range(4))
def test_best_of_two_classes(metric: str, seed: int):
    """No cut gives a better value, says scikit-learn."""
    task = TextClassification(labels=["no", "yes"])
    logits, truth = drawn(seed, 1)
    outputs = torch.cat([torch.zeros_like(logits), logits], 1)
    found = find_threshold(task, outputs, truth[:, 0], metric, per_label=False)
    likely = outputs.softmax(1)[:, 1].double().numpy()

    ours = OF_TWO[metric](truth[:, 0], found.given(outputs.softmax(1).double().numpy()))
    assert ours == pytest.approx(brute(truth[:, 0], likely, OF_TWO[metric]), abs=1e-12)


@pytest.mark.parametrize("metric", OF_SEVERAL)
@pytest.mark.parametrize("seed", range(4))
def test_best_of_several_labels(metric: str, seed: int):
    """No common cut gives a better value, says scikit-learn."""
    task = TextClassification(problem_type=MULTI, labels=["a", "b", "c"])
    logits, truth = drawn(seed, 3)
    found = find_threshold(task, logits, truth.astype(np.float32), metric, per_label=False)
    likely = logits.sigmoid().double().numpy()

    assert len(set(found.at)) == 1
    ours = OF_SEVERAL[metric](truth, found.given(likely))
    assert ours == pytest.approx(brute(truth, likely, OF_SEVERAL[metric]), abs=1e-12)


@pytest.mark.parametrize("metric", ["f1", "accuracy", matthews_corrcoef])
def test_best_of_each_label(metric: Any):
    """Each label's own cut is the best for that label alone."""
    task = TextClassification(problem_type=MULTI, labels=["a", "b", "c"])
    logits, truth = drawn(7, 3)
    found = find_threshold(task, logits, truth.astype(np.float32), metric, per_label=True)
    likely = logits.sigmoid().double().numpy()
    by_hand = {"f1": f1_score, "accuracy": accuracy_score}.get(metric, metric)

    for label in range(3):
        y, p = truth[:, label], likely[:, label]
        assert by_hand(y, found.given(likely)[:, label]) == pytest.approx(brute(y, p, by_hand), abs=1e-12)


def test_a_function_as_metric():
    """A function gets zeros and ones, the truth first."""
    task = TextClassification(labels=["no", "yes"])
    logits, truth = drawn(3, 1)
    outputs = torch.cat([-logits, logits], 1)

    def of_users(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return float(fbeta_score(y_true, y_pred, beta=2))

    found = find_threshold(task, outputs, truth[:, 0], of_users, per_label=False)
    likely = outputs.softmax(1).double().numpy()
    assert of_users(truth[:, 0], found.given(likely)) == pytest.approx(brute(truth[:, 0], likely[:, 1], of_users))


@pytest.mark.parametrize(
    ("likely", "truth", "best"),
    [
        ([0.2, 0.7], [0, 1], 0.5),  # as it was
        ([0.1, 0.2, 0.4], [0, 1, 1], 0.15),  # in the middle
        ([0.6, 0.8, 0.9], [0, 1, 1], 0.7),
        ([0.6, 0.7], [1, 1], 0.5),
        ([0.2, 0.3], [1, 1], 0.1),
    ],
)
def test_which_of_equally_good_ones(likely: list[float], truth: list[int], best: float):
    """Of a range of equally good thresholds it is 0.5 if that is in it, else the middle."""
    task = TextClassification(problem_type=MULTI, labels=["a"])
    outputs = torch.logit(torch.tensor(likely, dtype=torch.float64))[:, None]
    found = find_threshold(task, outputs, np.array(truth)[:, None], "f1", per_label=False)

    assert found.at == (pytest.approx(best),)


@pytest.mark.parametrize(("likely", "best"), [([0.2, 0.6], 0.8), ([0.4, 0.9], 0.2)])
def test_the_nearest_to_one_half(likely: list[float], best: float):
    """Of equally good ones with worse ones between them it is the nearest to 0.5, on either side."""
    task = TextClassification(problem_type=MULTI, labels=["a"])
    outputs = torch.logit(torch.tensor(likely, dtype=torch.float64))[:, None]
    found = find_threshold(task, outputs, np.array([[1], [0]]), "accuracy", per_label=False)

    assert found.at == (pytest.approx(best),)


def test_good_but_for_rounding():
    """Values that differ by their rounding are equally good: 0.95 gives no more than the nearer 0.25 but an ulp."""
    task = TextClassification(labels=["no", "yes"])
    logits = torch.tensor([[-4, 2], [-7, 15], [3, 5], [-6, -2], [7, -19], [-3, -6], [-11, 7]]) / 10
    truth, likely = np.array([0, 0, 1, 0, 0, 1, 0]), logits.softmax(1)[:, 1].numpy()
    values = [f1_score(truth, likely >= cut, average="macro", zero_division=0.0) for cut in (0.25, 0.95)]

    found = find_threshold(task, logits, truth, "f1_macro", per_label=False)

    assert values[0] == pytest.approx(values[1], abs=1e-15)
    assert found.at == (pytest.approx(0.247, abs=1e-3),)


@pytest.mark.parametrize("label", ["good", "bad"])
def test_rows_of_one_class(two: Model, texts_and_labels: Rows, label: str):
    """Of two classes both have to be there, or any threshold would do."""
    texts = texts_and_labels[0][:3]

    with pytest.raises(DataError, match=f"all 3 rows are '{label}'"):
        two.tune_threshold(texts, [label] * 3)
    assert two.task is not None
    assert two.task.threshold is None


@pytest.mark.parametrize("metric", [lambda y: 1.0, lambda y, z: "high", lambda y, z: [1.0, 2.0]])
def test_what_is_no_metric(two: Model, texts_and_labels: Rows, metric: Any):
    """A function of one argument, or without a number, is an error in words."""
    with pytest.raises(ArgumentError, match="the metric <lambda> cannot choose a threshold"):
        two.tune_threshold(*texts_and_labels, metric=metric)


def test_misspelt_and_missing(two: Model, texts_and_labels: Rows):
    """What is no argument is told by the nearest one; missing labels are told by this verb."""
    with pytest.raises(ArgumentError, match=r"tune_threshold\(\) has no argument 'metrics'") as caught:
        two.tune_threshold(*texts_and_labels, metrics="f1")
    with pytest.raises(DataError, match="no labels") as missing:
        two.tune_threshold(texts_and_labels[0])

    assert caught.value.do == "did you mean 'metric'?"
    assert missing.value.do == "give them as y: tune_threshold(texts, labels)."


def test_certain_probabilities():
    """A probability that is 1 after rounding is still given at the highest threshold."""
    task = TextClassification(problem_type=MULTI, labels=["a"])
    found = find_threshold(task, torch.tensor([[200.0], [-200.0]]), np.array([[1], [0]]), "f1", per_label=False)

    assert found.at == (0.5,)


# The verb


def test_it_is_kept_and_saved(two: Model, texts_and_labels: Rows, tmp_path: Path):
    """The threshold holds for predict from then on, and in the saved directory."""
    texts, labels = texts_and_labels
    found = two.tune_threshold(texts, labels)
    likely = two.predict_proba(texts)[:, 1]
    answers = ["good" if p >= found else "bad" for p in likely]
    two.save(tmp_path / "saved")
    back = keraslike.load(tmp_path / "saved", device="cpu")

    assert two.predict(texts) == answers
    assert back.predict(texts) == answers
    state = json.loads((tmp_path / "saved" / "keraslike.json").read_text())["task"]["state"]
    assert state["threshold"] == {"at": [found], "positive": 1}


def test_per_label(several: Model, texts_and_labels: Rows, tmp_path: Path):
    """With per_label=True it is a dict by label, which predict takes too."""
    texts, labels = texts_and_labels[0], labels_of(texts_and_labels)
    found = several.tune_threshold(texts, labels, per_label=True)
    own = several.predict(texts)
    several.save(tmp_path / "saved")

    assert list(found) == several.labels
    assert several.predict(texts, threshold=found) == own
    assert keraslike.load(tmp_path / "saved", device="cpu").predict(texts) == own
    assert several.tune_threshold(texts, labels) == several.task.threshold.at[0]


def test_a_dict_keeps_the_others(several: Model, texts_and_labels: Rows):
    """Labels that a dict leaves out keep the model's own threshold."""
    several.task.threshold = Threshold((0.2, 0.3, 0.4))

    assert as_threshold({several.labels[0]: 0.9}, several.task) == Threshold((0.9, 0.3, 0.4))


def test_metrics_of_rows_see_it(tiny_bert: Path, texts_and_labels: Rows):
    """What compares decoded rows sees the answers of predict; metrics of logits stay as they were."""
    texts, labels = texts_and_labels

    def share_of_good(predictions: list[str], references: list[str]) -> float:
        return sum(answer == "good" for answer in predictions) / len(predictions)

    model = Model(str(tiny_bert), task="text-classification", metrics=["accuracy", share_of_good], device="cpu")
    model.fit(texts, labels, epochs=1, seed=0, verbose=0)
    before = model.evaluate(texts, labels, verbose=0)
    model.task.threshold = as_threshold(0.0, model.task)
    after = model.evaluate(texts, labels, verbose=0)

    assert after["share_of_good"] == 1.0
    assert after["accuracy"] == before["accuracy"]


def test_glue_is_about_its_positive_class():
    """A number is about the class whose F1 GLUE reports, wherever the checkpoint has it; and it is saved."""
    task = GlueTask("mrpc")
    task.labels = keraslike.data.labels.Labels(["equivalent", "not_equivalent"])
    task.threshold = as_threshold(0.3, task)
    back = GlueTask.from_state(json.loads(json.dumps(task.state())))

    assert task.threshold == back.threshold == Threshold((0.3,), 0)
    assert GlueTask("sst2").positive == 1


def test_images_share_it():
    """Tasks of images and sounds answer by thresholds too."""
    for name in ("image-classification", "audio-classification"):
        task = keraslike.tasks.as_task(name, ["a", "b"])
        task.threshold = as_threshold(0.9, task)
        back = type(task).from_state(json.loads(json.dumps(task.state())))

        assert task.decode(torch.tensor([[0.0, 1.0]]), []) == back.decode(torch.tensor([[0.0, 1.0]]), []) == ["a"]


def test_an_older_directory():
    """A state without a threshold is read."""
    state = TextClassification(labels=["a", "b"]).state()
    del state["threshold"]

    assert TextClassification.from_state(state).threshold is None


# What is refused


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (1.2, "threshold=1.2 is no probability"),
        (-0.1, "threshold=-0.1 is no probability"),
        (float("nan"), "no probability"),
        (True, "threshold=True is no probability"),
        ("0.3", "threshold='0.3' is no probability"),
        ({"god": 0.3}, "did you mean 'good'?"),
        ({"good": 3}, "threshold=3 is no probability"),
        ({"good": 0.3, "bad": 0.3}, "names 2 of two classes"),
        ({}, "names 0 of two classes"),
        ([0.3, 0.7], "a list of 2, and there are 2 classes"),
    ],
)
def test_what_is_no_threshold(two: Model, threshold: Any, words: str):
    """What is no threshold is refused before anything goes through the network."""
    with pytest.raises(ArgumentError, match=re.escape(words)):
        two.predict(["a film"], threshold=threshold)


def test_a_list_of_another_length(several: Model):
    """A list has one threshold for each label."""
    with pytest.raises(ArgumentError, match="a list of 2, and there are 3 labels"):
        several.predict(["a film"], threshold=[0.3, 0.7])


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (TextClassification(labels=["a", "b", "c"]), "gives one of 3 classes"),
        (TextClassification(targets=1), "gives numbers"),
        (keraslike.tasks.as_task("token-classification", ["a", "b"]), "gives answers of 'token-classification'"),
    ],
)
def test_tasks_without_thresholds(task: Any, words: str):
    """More than two classes, numbers and other tasks have no threshold."""
    with pytest.raises(ArgumentError, match=words):
        as_threshold(0.3, task)


def test_metrics_without_thresholds(two: Model, texts_and_labels: Rows):
    """A metric that no threshold changes, or none at all, is refused."""
    with pytest.raises(ArgumentError, match="metric='roc_auc'"):
        two.tune_threshold(*texts_and_labels, metric="roc_auc")
    with pytest.raises(ArgumentError, match="did you mean 'f1_macro'"):
        two.tune_threshold(*texts_and_labels, metric="f1_makro")


def test_what_tuning_refuses(two: Model, texts_and_labels: Rows, tiny_bert: Path):
    """per_label of two classes, a loader, and a model that is not built are refused."""
    with pytest.raises(ArgumentError, match="per_label=True is given, and there are two classes"):
        two.tune_threshold(*texts_and_labels, per_label=True)
    with pytest.raises(ArgumentError, match="was given a loader"):
        two.tune_threshold(torch.utils.data.DataLoader([1]))
    with pytest.raises(NotFittedError):
        Model(str(tiny_bert), task="text-classification").tune_threshold(*texts_and_labels)


def test_without_a_task():
    """Without a task there are no labels."""
    model = Model(torch.nn.Linear(1, 1), "sgd", "mse", device="cpu")

    with pytest.raises(ArgumentError, match="has no task"):
        model.tune_threshold([[1.0]], [[1.0]])
    with pytest.raises(ArgumentError, match="has no task"):
        model.predict([[1.0]], threshold=0.3)
