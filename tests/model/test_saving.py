"""`model.save(directory)`: one directory that transformers, keraslike and people read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import keraslike
from keraslike import Model, TextClassification
from keraslike.errors import ArgumentError, LoadError, NotFittedError
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
OTHERS = TEXTS[1:] + TEXTS[:1]
VARIANTS: dict[str, tuple[list[Any], list[Any]]] = {
    "two classes": (TEXTS, SENTIMENTS),
    "three classes": (TEXTS, [("bad", "good", "mixed")[(i // 2) % 3] for i in range(40)]),
    "ints with gaps": (TEXTS, [(-5, 10, 200)[i % 3] for i in range(40)]),
    "bools": (TEXTS, [label == "good" for label in SENTIMENTS]),
    "pairs": (list(zip(TEXTS, OTHERS, strict=True)), SENTIMENTS),
    "several labels": (TEXTS, [["film", "long"][: i % 3] for i in range(40)]),
    "rows of bits": (TEXTS, [[i % 2, i // 2 % 2, 1] for i in range(40)]),
    "regression": (TEXTS, [i / 7 for i in range(40)]),
    "several targets": (TEXTS, [[i / 7, 3.5 - i / 9] for i in range(40)]),
}
CLASSES = ["two classes", "three classes", "ints with gaps", "bools", "pairs"]
EACH = pytest.mark.parametrize("variant", VARIANTS)


def fitted(directory: str, variant: str = "two classes", **options: Any) -> Model:
    model = Model(directory, task="text-classification", device="cpu", **options)
    model.fit(*VARIANTS[variant], epochs=1, seed=2, learning_rate=1e-2, verbose=0)
    return model


def saved(directory: str, folder: Path, variant: str = "two classes", **options: Any) -> tuple[Model, str]:
    model = fitted(directory, variant, **options)
    model.save(folder)
    return model, str(folder)


def as_pipeline_takes(row: Any) -> Any:
    return {"text": row[0], "text_pair": row[1]} if isinstance(row, tuple) else row


# transformers reads it


@EACH
def test_transformers_gives_the_same_logits(variant: str, smallest_bert: str, tmp_path: Path):
    """The Auto classes load network and tokenizer; the logits are equal to 1e-6."""
    model, folder = saved(smallest_bert, tmp_path / "saved", variant)
    x = VARIANTS[variant][0]
    columns = list(zip(*x, strict=True)) if isinstance(x[0], tuple) else [x]

    network = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    inputs = tokenizer(*map(list, columns), padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = network(**inputs).logits.numpy()
    np.testing.assert_allclose(logits, model.predict_logits(x, batch_size=64), atol=1e-6)
    assert network.config.problem_type == model.task.problem_type


@pytest.mark.parametrize("variant", CLASSES)
def test_pipeline_gives_the_users_labels(variant: str, smallest_bert: str, tmp_path: Path):
    """`pipeline("text-classification", directory)` answers with the user's labels, scores equal to 1e-6."""
    model, folder = saved(smallest_bert, tmp_path / "saved", variant)
    x = VARIANTS[variant][0]

    answers = [pipeline("text-classification", folder, device="cpu")(as_pipeline_takes(row)) for row in x[:1]]
    answers = pipeline("text-classification", folder, device="cpu")([as_pipeline_takes(row) for row in x])

    assert [answer["label"] for answer in answers] == [str(label) for label in model.predict(x)]
    scores = [answer["score"] for answer in answers]
    np.testing.assert_allclose(scores, model.predict_proba(x).max(axis=1), atol=1e-6)


def test_pipeline_gives_several_labels(smallest_bert: str, tmp_path: Path):
    """With several labels per text the pipeline gives a sigmoid per label, under the user's names."""
    model, folder = saved(smallest_bert, tmp_path / "saved", "several labels")

    answers = pipeline("text-classification", folder, device="cpu", top_k=None)(TEXTS)

    by_name = [[{part["label"]: part["score"] for part in answer}[name] for name in model.labels] for answer in answers]
    np.testing.assert_allclose(by_name, model.predict_proba(TEXTS), atol=1e-6)


def test_pipeline_gives_numbers(smallest_bert: str, tmp_path: Path):
    """Of a regression the pipeline gives the number itself, not a probability."""
    model, folder = saved(smallest_bert, tmp_path / "saved", "regression")

    answers = pipeline("text-classification", folder, device="cpu")(TEXTS)

    np.testing.assert_allclose([answer["score"] for answer in answers], model.predict(TEXTS), atol=1e-6)


@pytest.mark.parametrize("kind", ["distilbert", "roberta", "gpt2"])
def test_other_architectures(kind: str, tmp_path: Path, request: pytest.FixtureRequest):
    """Other architectures are read as well, GPT-2 with the padding token that it got."""
    model, folder = saved(str(request.getfixturevalue(f"tiny_{kind}")), tmp_path / "saved")

    answers = pipeline("text-classification", folder, device="cpu")(TEXTS, batch_size=8)

    assert [answer["label"] for answer in answers] == model.predict(TEXTS)
    np.testing.assert_allclose([a["score"] for a in answers], model.predict_proba(TEXTS).max(axis=1), atol=1e-6)


# keraslike reads it


@EACH
def test_load_predicts_the_same(variant: str, smallest_bert: str, tmp_path: Path):
    """`keraslike.load` gives the same bits, the same labels with their Python types, and the same numbers."""
    model, folder = saved(smallest_bert, tmp_path / "saved", variant)
    x, y = VARIANTS[variant]

    loaded = keraslike.load(folder, device="cpu")

    np.testing.assert_array_equal(loaded.predict_logits(x), model.predict_logits(x))
    assert repr(loaded.predict(x)) == repr(model.predict(x))
    assert repr(loaded.labels) == repr(model.labels)
    assert type(loaded.predict(x[0])) is type(model.predict(x[0]))
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_load_says_nothing(smallest_bert: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Saving and loading are silent: no bar, no report."""
    model = fitted(smallest_bert)
    capfd.readouterr()

    model.save(tmp_path / "saved")
    keraslike.load(tmp_path / "saved", device="cpu")

    assert capfd.readouterr() == ("", "")


def test_load_keeps_the_length(smallest_bert: str, tmp_path: Path):
    """Texts are cut where they were cut in training."""
    _, folder = saved(smallest_bert, tmp_path / "saved", max_length=5)

    loaded = keraslike.load(folder, device="cpu")

    assert loaded.task.max_length == 5


def test_load_keeps_the_columns(smallest_bert: str, tmp_path: Path):
    """The columns that were named in fit are found again after loading."""
    table = {"id": ["x"] * 40, "words": TEXTS, "feeling": SENTIMENTS}
    model = Model(smallest_bert, task="text-classification", device="cpu")
    model.fit(table, text="words", target="feeling", epochs=1, verbose=0)
    model.save(tmp_path / "saved")

    loaded = keraslike.load(tmp_path / "saved", device="cpu")

    assert loaded.evaluate(table, verbose=0) == model.evaluate(table, verbose=0)
    assert loaded.predict(table) == model.predict(table)


def test_load_fits_on(smallest_bert: str, tmp_path: Path):
    """A loaded model may be trained on; it keeps its head and labels."""
    model, folder = saved(smallest_bert, tmp_path / "saved")
    loaded = keraslike.load(folder, device="cpu")

    loaded.fit(TEXTS[:4], SENTIMENTS[:4], epochs=1, learning_rate=1e-12, seed=0, verbose=0)

    assert loaded.labels == model.labels
    np.testing.assert_allclose(loaded.predict_logits(TEXTS), model.predict_logits(TEXTS), atol=1e-6)


def test_loaded_as_a_network(smallest_bert: str, tmp_path: Path):
    """The directory is a checkpoint with a head of its own for `Model(directory, task=...)`, too."""
    model, folder = saved(smallest_bert, tmp_path / "saved")

    again = Model(folder, task="text-classification", device="cpu")

    assert again.predict(TEXTS) == model.predict(TEXTS)


def test_save_load_save(smallest_bert: str, tmp_path: Path):
    """What a loaded model writes is what it read: weights, configuration and choices."""
    _, folder = saved(smallest_bert, tmp_path / "saved")

    keraslike.load(folder, device="cpu").save(tmp_path / "again")

    for name in ("model.safetensors", "keraslike.json", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "saved" / name).read_bytes()


def test_no_pickle_is_written(smallest_bert: str, tmp_path: Path):
    """The directory holds safetensors and JSON (and templates in text), nothing that has to be unpickled."""
    _, folder = saved(smallest_bert, tmp_path / "saved")

    endings = {file.suffix for file in Path(folder).iterdir()}

    assert endings <= {".safetensors", ".json", ".txt", ".jinja"}
    assert json.loads((Path(folder) / "keraslike.json").read_text())["task"]["name"] == "text-classification"


# What has to be given again


def squared(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
    return ((y_pred - nn.functional.one_hot(y_true, 2)) ** 2).mean()


def share_of_good(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
    return (y_pred == 1).float().mean()


def upper(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "text": row["text"].upper()}


@pytest.mark.parametrize(
    ("argument", "given", "named"),
    [("loss_function", squared, "squared"), ("metrics", ["accuracy", share_of_good], "share_of_good")],
)
def test_own_functions_are_asked_for_again(argument: str, given: Any, named: str, smallest_bert: str, tmp_path: Path):
    """The code of a function of the user's own is not in the directory: it is asked for by name, then used."""
    model, folder = saved(smallest_bert, tmp_path / "saved", **{argument: given})

    with pytest.raises(ArgumentError, match=rf"{argument} \({named}\)(.|\n)*load\(directory, {argument}="):
        keraslike.load(folder, device="cpu")

    loaded = keraslike.load(folder, device="cpu", **{argument: given})
    assert loaded.evaluate(TEXTS, SENTIMENTS, verbose=0) == model.evaluate(TEXTS, SENTIMENTS, verbose=0)


def test_prepare_is_asked_for_again(smallest_bert: str, tmp_path: Path):
    """`prepare` runs in every verb, so it is asked for again at load."""
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, SENTIMENTS, strict=True)]
    model = Model(smallest_bert, task="text-classification", device="cpu")
    model.fit(rows, prepare=upper, epochs=1, verbose=0)
    model.save(tmp_path / "saved")

    with pytest.raises(ArgumentError, match=r"load\(directory, prepare=\.\.\.\)"):
        keraslike.load(tmp_path / "saved", device="cpu")

    loaded = keraslike.load(tmp_path / "saved", prepare=upper, device="cpu")
    assert loaded.predict(rows) == model.predict(rows)


def test_names_are_not_asked_for_again(smallest_bert: str, tmp_path: Path):
    """A loss and metrics that were given by name are in the directory."""
    model, folder = saved(smallest_bert, tmp_path / "saved", loss_function="cross_entropy", metrics=["f1_micro"])

    loaded = keraslike.load(folder, device="cpu")

    assert loaded.evaluate(TEXTS, SENTIMENTS, verbose=0) == model.evaluate(TEXTS, SENTIMENTS, verbose=0)


class OwnTask(TextClassification):
    """A task of the user's own."""

    name = "own"


def test_own_task_is_asked_for_again(smallest_bert: str, tmp_path: Path):
    """A task of the user's own is asked for by its class."""
    model = Model(smallest_bert, task=OwnTask(), device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)
    model.save(tmp_path / "saved")

    with pytest.raises(ArgumentError, match=r"task of your own, 'own'(.|\n)*load\(directory, task="):
        keraslike.load(tmp_path / "saved", device="cpu")

    loaded = keraslike.load(tmp_path / "saved", task=OwnTask, device="cpu")
    assert loaded.predict(TEXTS) == model.predict(TEXTS)


# What stands there already


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_directory_is_not_overwritten(smallest_bert: str, tmp_path: Path):
    """What stands there stays; the error names the argument that replaces it."""
    model, folder = saved(smallest_bert, tmp_path / "saved")
    before = contents(tmp_path)

    with pytest.raises(ArgumentError, match=r"exists already(.|\n)*overwrite=True"):
        model.save(folder)

    assert contents(tmp_path) == before


def test_overwrite_replaces(smallest_bert: str, tmp_path: Path):
    """overwrite=True replaces what keraslike wrote, whole, and leaves nothing beside it."""
    _, folder = saved(smallest_bert, tmp_path / "saved")
    model = fitted(smallest_bert, "three classes")

    model.save(folder, overwrite=True)

    assert keraslike.load(folder, device="cpu").labels == ["bad", "good", "mixed"]
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_overwrite_keeps_the_users_files(smallest_bert: str, tmp_path: Path):
    """A file that the user put beside the model is not deleted: nothing is replaced, and the file is named."""
    model, folder = saved(smallest_bert, tmp_path / "saved")
    (tmp_path / "saved" / "notes.txt").write_text("years of work")

    with pytest.raises(ArgumentError, match=r"holds more than a saved model: notes\.txt"):
        model.save(folder, overwrite=True)

    assert (tmp_path / "saved" / "notes.txt").read_text() == "years of work"


def test_all_that_has_a_name_is_kept(smallest_bert: str, tmp_path: Path):
    """Optimizer, metrics and Poutyne's metrics given by name come back, so that evaluate says the same."""
    texts, labels = texts_with_labels()
    named = {"optimizer": "sgd", "batch_metrics": ["accuracy"], "epoch_metrics": ["f1"], "metrics": ["f1_micro"]}
    model = Model(smallest_bert, task="text-classification", device="cpu", **named)
    model.fit(texts, labels, epochs=1, verbose=0)
    model.save(tmp_path / "saved")

    again = keraslike.load(tmp_path / "saved", device="cpu")

    before = model.evaluate(texts, labels, verbose=0)
    assert again.evaluate(texts, labels, verbose=0) == pytest.approx(before, abs=1e-6)
    assert type(again.optimizer) is torch.optim.SGD


def test_overwrite_leaves_others_alone(smallest_bert: str, tmp_path: Path):
    """A directory that keraslike did not write is never replaced."""
    model = fitted(smallest_bert)
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(ArgumentError, match="exists already"):
        model.save(tmp_path, overwrite=True)

    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
def test_a_failing_write_leaves_what_was_there(
    is_first: bool, smallest_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A write that fails in the middle leaves the old directory, or none, and no rest."""
    model = fitted(smallest_bert)
    if not is_first:
        model.save(tmp_path / "saved")
    before = contents(tmp_path)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(type(model.task.tokenizer), "save_pretrained", fail)
    with pytest.raises(OSError, match="no space left"):
        model.save(tmp_path / "saved", overwrite=True)

    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ([] if is_first else ["saved"])


def test_saves_into_new_parents(smallest_bert: str, tmp_path: Path):
    """Parents that do not exist are made."""
    _, folder = saved(smallest_bert, tmp_path / "a" / "b" / "saved")

    assert (Path(folder) / "config.json").is_file()


def test_unfitted_model_is_not_saved(smallest_bert: str, tmp_path: Path):
    """There is nothing to save before fit, and nothing is written."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    with pytest.raises(NotFittedError, match="fit"):
        model.save(tmp_path / "saved")

    assert not list(tmp_path.iterdir())


def test_model_without_a_task_is_not_saved(tmp_path: Path):
    """A network without a task has Poutyne's save_weights, as the error says."""
    model = Model(nn.Linear(2, 2), "sgd", "mse", device="cpu")

    with pytest.raises(ArgumentError, match=r"with a task(.|\n)*save_weights"):
        model.save(tmp_path / "saved")


# What cannot be loaded


def test_load_of_another_directory(smallest_bert: str):
    """A checkpoint that keraslike did not write is a network for Model(...), as the error says."""
    with pytest.raises(LoadError, match=r"it has no keraslike\.json(.|\n)*Model\("):
        keraslike.load(smallest_bert)


def test_load_of_a_missing_directory(tmp_path: Path):
    """A directory that does not exist is named."""
    with pytest.raises(LoadError, match="nowhere"):
        keraslike.load(tmp_path / "nowhere")


def test_load_of_a_damaged_manifest(smallest_bert: str, tmp_path: Path):
    """A damaged keraslike.json is named as such."""
    _, folder = saved(smallest_bert, tmp_path / "saved")
    (Path(folder) / "keraslike.json").write_text('{"format": 1,')

    with pytest.raises(LoadError, match="is damaged"):
        keraslike.load(folder)


def test_load_of_damaged_weights(smallest_bert: str, tmp_path: Path):
    """Weights that were cut off are one short error."""
    _, folder = saved(smallest_bert, tmp_path / "saved")
    weights = Path(folder) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])

    with pytest.raises(LoadError, match="cannot be read"):
        keraslike.load(folder)


def test_steps_go_on_as_they_were(tiny_bert, texts_and_labels, tmp_path):
    """Precision, gradient checkpointing, a loss by name and the limit of an out-of-memory are in the directory."""
    texts, labels = texts_and_labels
    chosen = {"precision": "bf16", "gradient_checkpointing": True, "loss_function": "multi_margin"}
    model = Model(tiny_bert, task="text-classification", device="cpu", **chosen)
    model.fit(texts, labels, epochs=1, verbose=0)
    model.micro_batch_limit = 3
    model.save(tmp_path / "saved")

    loaded = keraslike.load(tmp_path / "saved", device="cpu")
    wide = keraslike.load(tmp_path / "saved", device="cpu", precision="float32")

    assert (loaded.precision.name, wide.precision.name, loaded.micro_batch_limit) == ("bf16", "float32", 3)
    assert type(loaded.loss_function).__name__ == "MultiMargin"
    assert loaded.network.is_activation_checkpointing
