"""GLUE by name: nine tasks whose columns, labels, metrics and dev parts are known beforehand."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

import keraslike
from keraslike import Model
from keraslike.errors import ArgumentError, DataError, LabelError
from keraslike.tasks import GlueTask, as_task
from keraslike.tasks.glue import PARTS
from tests.engine.loops import batches_by_hand, weights_of
from tests.tiny import texts_with_labels

TEXTS, _ = texts_with_labels()
ROWS = 24
PAIRED = TEXTS[1:] + TEXTS[:1]

# What the data sets on the hub hold: https://huggingface.co/datasets/nyu-mll/glue
COLUMNS = {
    "cola": ["sentence"],
    "sst2": ["sentence"],
    "mrpc": ["sentence1", "sentence2"],
    "stsb": ["sentence1", "sentence2"],
    "qqp": ["question1", "question2"],
    "mnli": ["premise", "hypothesis"],
    "qnli": ["question", "sentence"],
    "rte": ["sentence1", "sentence2"],
    "wnli": ["sentence1", "sentence2"],
}
LABELS = {
    "cola": ["unacceptable", "acceptable"],
    "sst2": ["negative", "positive"],
    "mrpc": ["not_equivalent", "equivalent"],
    "stsb": None,
    "qqp": ["not_duplicate", "duplicate"],
    "mnli": ["entailment", "neutral", "contradiction"],
    "qnli": ["entailment", "not_entailment"],
    "rte": ["entailment", "not_entailment"],
    "wnli": ["not_entailment", "entailment"],
}
METRICS = {
    "cola": {"matthews": matthews_corrcoef},
    "mrpc": {"accuracy": accuracy_score, "f1": f1_score},
    "qqp": {"accuracy": accuracy_score, "f1": f1_score},
    "stsb": {
        "pearson": lambda truth, given: pearsonr(truth, given).statistic,
        "spearman": lambda truth, given: spearmanr(truth, given).statistic,
    },
}
EACH = pytest.mark.parametrize("part", COLUMNS)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the copies that `datasets` makes in a folder of the test's own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))


def numbers_of(part: str, rows: int = ROWS) -> list[Any]:
    """Give GLUE's numbers."""
    return [row % 11 / 2 for row in range(rows)] if part == "stsb" else [row % len(LABELS[part]) for row in range(rows)]


def table_of(part: str, rows: int = ROWS) -> dict[str, list[Any]]:
    """Give columns as on the hub."""
    columns = dict(zip(COLUMNS[part], [TEXTS[:rows], PAIRED[:rows]], strict=False))
    return {**columns, "label": numbers_of(part, rows), "idx": list(range(rows))}


def dataset_of(part: str, rows: int = ROWS, *, is_hidden: bool = False) -> datasets.Dataset:
    """Give a Dataset as on the hub, labels hidden as in its test parts."""
    table = table_of(part, rows)
    if is_hidden:
        table["label"] = [-1] * rows
    names = LABELS[part]
    label = datasets.Value("float32") if names is None else datasets.ClassLabel(names=names)
    texts = {name: datasets.Value("string") for name in COLUMNS[part]}
    features = datasets.Features({**texts, "label": label, "idx": datasets.Value("int32")})
    return datasets.Dataset.from_dict(table, features=features)


def named(part: str, numbers: list[Any]) -> list[Any]:
    return numbers if LABELS[part] is None else [LABELS[part][number] for number in numbers]


def model_of(part: str, folder: Path) -> Model:
    torch.manual_seed(0)
    return Model(str(folder), task=f"glue/{part}", device="cpu")


# By name


@EACH
def test_three_lines(part: str, tiny_bert: Path):
    """A name is enough: columns found, labels by GLUE's numbers, the metrics that GLUE reports, names as answers."""
    model = Model(str(tiny_bert), task=f"glue/{part}", device="cpu")
    model.fit(table_of(part), validation_data=table_of(part), epochs=1, batch_size=16, seed=0, verbose=0)
    measured = model.evaluate(table_of(part), batch_size=16, verbose=0)

    answers = model.predict(table_of(part), batch_size=16)  # correlations of nearly equal scores tell the last bits
    ids = answers if LABELS[part] is None else [LABELS[part].index(answer) for answer in answers]
    expected = METRICS.get(part, {"accuracy": accuracy_score})
    assert list(measured) == ["loss", *expected]
    for name, function in expected.items():
        assert measured[name] == pytest.approx(function(numbers_of(part), ids), abs=1e-6)
    assert model.labels == LABELS[part]
    assert model.history[0][f"val_{next(iter(expected))}"] == pytest.approx(measured[next(iter(expected))])


@EACH
def test_answers_for_one(part: str, tiny_bert: Path):
    """One text, or one pair, gets one answer; also before any training, since the labels are known."""
    row = TEXTS[0] if len(COLUMNS[part]) == 1 else (TEXTS[0], PAIRED[0])

    answer = model_of(part, tiny_bert).predict(row)

    assert isinstance(answer, float) if LABELS[part] is None else answer in LABELS[part]


@EACH
def test_saved_and_loaded(part: str, tiny_bert: Path, tmp_path: Path):
    """The directory keeps the task by its name, and answers as before; transformers reads the names of the labels."""
    model = model_of(part, tiny_bert)
    model.fit(table_of(part), epochs=1, seed=0, verbose=0)
    before = model.predict(table_of(part))

    model.save(tmp_path / "saved")
    again = keraslike.load(tmp_path / "saved", device="cpu")

    assert json.loads((tmp_path / "saved" / "keraslike.json").read_text())["task"]["name"] == f"glue/{part}"
    assert repr(again).endswith(f"task glue/{part}>")
    np.testing.assert_array_equal(again.predict(table_of(part)), before)
    assert again.evaluate(table_of(part), verbose=0) == model.evaluate(table_of(part), verbose=0)
    if LABELS[part] is not None:
        read = pipeline("text-classification", str(tmp_path / "saved"), device="cpu")
        row = {"text": TEXTS[0], "text_pair": PAIRED[0]} if len(COLUMNS[part]) == 2 else TEXTS[0]
        assert (read([row])[0])["label"] == before[0]


@pytest.mark.parametrize(("part", "numbers"), [("mnli", 3), ("stsb", 1)])
def test_bit_equal_to_a_loop_by_hand(part: str, numbers: int, tiny_bert: Path):
    """20 updates by the recipe are those of a loop that knows tokenizer, network and torch alone."""
    texts, second, targets = (list(column) for column in (TEXTS, PAIRED, numbers_of(part, 40)))
    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=numbers)
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=5e-5, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 2 if step < 2 else (20 - step) / 18)
    network.train()
    for epoch in range(1, 5):
        for rows in batches_by_hand(40, 8, 3, epoch):
            pairs = [[texts[row] for row in rows], [second[row] for row in rows]]
            logits = network(**tokenizer(*pairs, padding=True, return_tensors="pt")).logits
            wanted = torch.tensor([targets[row] for row in rows])
            loss = F.mse_loss(logits, wanted[:, None]) if numbers == 1 else F.cross_entropy(logits, wanted)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()

    model = Model(str(tiny_bert), task=f"glue/{part}", device="cpu")
    model.fit(table_of(part, 40), epochs=4, batch_size=8, micro_batch_size=None, seed=3, verbose=0)

    assert torch.equal(weights_of(model.network.wrapped), weights_of(network))
    assert math.ceil(40 / 8) * 4 == 20


@pytest.mark.parametrize(
    ("given", "nearest"), [("glue/mnl", "glue/mnli"), ("glue/sst-2", "glue/sst2"), ("GLUE/STS-B", "glue/stsb")]
)
def test_misspelt(given: str, nearest: str):
    """A name that there is not gets the nearest."""
    with pytest.raises(ArgumentError, match=f"there is no task '{given}'(.|\n)*did you mean '{nearest}'"):
        as_task(given)


def test_an_object():
    """The class is told its part, and refuses others; labels of one's own have no place."""
    assert as_task(GlueTask("rte")).name == "glue/rte"
    with pytest.raises(ArgumentError, match=r"GLUE has no part 'ret'(.|\n)*did you mean 'rte'"):
        GlueTask("ret")
    with pytest.raises(ArgumentError, match=r"labels are given, but glue/rte has its own(.|\n)*\['entailment', 'not"):
        as_task("glue/rte", ["yes", "no"])


# Labels


@EACH
def test_forms_of_labels(part: str):
    """GLUE's numbers, these as words or floats, and names in any case are one label."""
    task, numbers = GlueTask(part), numbers_of(part, 3)
    forms = [numbers, [str(number) for number in numbers], [float(number) for number in numbers], np.array(numbers)]
    if LABELS[part] is not None:
        forms += [named(part, numbers), [name.upper().replace("_", "-") for name in named(part, numbers)]]

    read = [task.read({**table_of(part, 3), "label": form}).column("target") for form in forms]
    beside = [task.read(dict(list(table_of(part, 3).items())[:-2]), form).column("target") for form in forms]

    assert read == [named(part, numbers)] * len(forms) == beside


@EACH
@pytest.mark.parametrize("hidden", [-1, "-1", -1.0, None, float("nan"), ""])
def test_hidden_labels(part: str, hidden: Any):
    """What stands where GLUE hides a label is no label to learn from or to measure; predict does not look."""
    table = table_of(part, 4)
    table["label"] = [*table["label"][:2], hidden, hidden]

    with pytest.raises(DataError, match=r"row 2 of the column 'label' .* GLUE hides the labels of its test parts"):
        GlueTask(part).read(table)
    assert len(GlueTask(part).read(table, labelled=False)) == 4


def test_a_hidden_test_part(tiny_bert: Path):
    """`evaluate` of a DatasetDict takes the test part; GLUE's own has no labels, which predict does not mind."""
    parts = datasets.DatasetDict(train=dataset_of("rte"), test=dataset_of("rte", 5, is_hidden=True))
    model = model_of("rte", tiny_bert)

    with pytest.raises(DataError, match=r'hides the labels(.|\n)*evaluate\(data\["validation"\]\)'):
        model.evaluate(parts, verbose=0)
    assert len(model.predict(parts)) == 5


@pytest.mark.parametrize(
    ("part", "do"),
    [("mnli", "write evaluate(folder), for both dev parts."), ("rte", 'write evaluate(data["validation"]).')],
)
def test_where_labels_are(part: str, do: str):
    """Which labels are not hidden is a whole sentence."""
    with pytest.raises(DataError) as error:
        GlueTask(part).named([-1], "y")

    assert error.value.do == do


def test_no_labels_at_all(tiny_bert: Path):
    """GLUE's own test files have no such column."""
    table = {"index": [0, 1], **dict.fromkeys(COLUMNS["mnli"], TEXTS[:2])}

    with pytest.raises(DataError, match=r"no column of labels, only 'index', 'premise', (.|\n)*both dev parts"):
        model_of("mnli", tiny_bert).evaluate(table)


@pytest.mark.parametrize(
    ("part", "label", "text"),
    [
        ("mnli", 3, r"row 1 of the column 'label' .* the label 3, an int, .*glue/mnli(.|\n)*0 \(entailment\), 1 \(neu"),
        ("mnli", "-", r"the label '-', a str"),
        ("rte", "entailmnt", r"did you mean 'entailment'"),
        ("sst2", ["positive"], r"\['positive'\], a list"),
        ("sst2", 0.5, r"0\.5, a float"),
        ("stsb", 5.5, r"5\.5, a float, (.|\n)*a number from 0 to 5"),
        ("stsb", "much", r"'much', a str"),
    ],
)
def test_unknown_labels(part: str, label: Any, text: str):
    """A label that the task does not have is named with its row."""
    table = table_of(part, 3)
    table["label"][1] = label

    with pytest.raises(LabelError, match=text):
        GlueTask(part).read(table)


def test_unknown_labels_beside():
    """The same where labels stand in y."""
    with pytest.raises(LabelError, match=r"row 1 of y .* the label 7"):
        GlueTask("cola").read(TEXTS[:2], [0, 7])


def test_bools_are_numbers():
    """Where a task has two labels, False is 0 and True is 1."""
    assert list(GlueTask("qqp").read(list(zip(TEXTS, PAIRED, strict=True))[:2], [True, False]).column("target")) == [
        "duplicate",
        "not_duplicate",
    ]


# Containers


def as_tsv(folder: Path, header: str | None, lines: list[str]) -> str:
    text = "\n".join([*([] if header is None else [header]), *lines]) + "\n"
    (folder / "dev.tsv").write_text(text)
    return str(folder / "dev.tsv")


# The first lines of GLUE's own files, and how a row stands in them
ORIGINAL: dict[str, tuple[str | None, Callable[[str, str, Any], str]]] = {
    "cola": (None, lambda a, b, y: f"gj04\t{y}\t*\t{a}"),
    "sst2": ("sentence\tlabel", lambda a, b, y: f"{a}\t{y}"),
    "mrpc": ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", lambda a, b, y: f"{y}\t1\t2\t{a}\t{b}"),
    "stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        lambda a, b, y: f"0\tmain\tMSR\t2012\t1\tnone\tnone\t{a}\t{b}\t{y:.3f}",
    ),
    "qqp": ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", lambda a, b, y: f"0\t1\t2\t{a}\t{b}\t{y}"),
    "mnli": (
        (
            "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
            "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label"
        ),
        lambda a, b, y: f"0\t3\t3n\tfiction\t( a )\t( b )\t(A)\t(B)\t{a}\t{b}\tneutral\t{LABELS['mnli'][y]}",
    ),
    "qnli": ("index\tquestion\tsentence\tlabel", lambda a, b, y: f"0\t{a}\t{b}\t{LABELS['qnli'][y]}"),
    "rte": ("index\tsentence1\tsentence2\tlabel", lambda a, b, y: f"0\t{a}\t{b}\t{LABELS['rte'][y]}"),
    "wnli": ("index\tsentence1\tsentence2\tlabel", lambda a, b, y: f"0\t{a}\t{b}\t{y}"),
}


@EACH
@pytest.mark.parametrize(
    "kind", ["original", "csv", "jsonl", "parquet", "Dataset", "DataFrame", "dicts", "rows", "generator"]
)
def test_containers(part: str, kind: str, tmp_path: Path):
    """GLUE's own files, and every container, give the same rows under the same names."""
    table, task = table_of(part, 4), GlueTask(part)
    columns = [table[name] for name in COLUMNS[part]]
    frame, y = pd.DataFrame(table), table["label"]
    frame.to_csv(tmp_path / "dev.csv", index=False)
    frame.to_json(tmp_path / "dev.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "dev.parquet")
    header, line = ORIGINAL[part]
    given: dict[str, Callable[[], Any]] = {
        "original": lambda: as_tsv(tmp_path, header, [line(*row) for row in zip(TEXTS, PAIRED, y, strict=False)]),
        "csv": lambda: str(tmp_path / "dev.csv"),
        "jsonl": lambda: tmp_path / "dev.jsonl",
        "parquet": lambda: tmp_path / "dev.parquet",
        "Dataset": lambda: dataset_of(part, 4),
        "DataFrame": lambda: frame,
        "dicts": lambda: frame.to_dict("records"),
        "rows": lambda: list(zip(*columns, y, strict=True)),
        "generator": lambda: zip(*columns, y, strict=True),
    }

    rows = task.read(given[kind]())

    assert list(rows.column("text")) == TEXTS[:4]
    assert "text_pair" not in rows.columns or list(rows.column("text_pair")) == PAIRED[:4]
    assert ("text_pair" in rows.columns) == (len(columns) == 2)
    assert list(rows.column("target")) == named(part, y)
    names = {"text": COLUMNS[part] if len(columns) == 2 else COLUMNS[part][0], "target": "label"}
    assert rows.source_columns == ({} if kind in ("rows", "generator") else names)


def test_cola_with_a_header(tmp_path: Path):
    """CoLA's test file has a header, the others have none."""
    rows = GlueTask("cola").read(as_tsv(tmp_path, "index\tsentence", ["0\ta film"]), labelled=False)

    assert list(rows.column("text")) == ["a film"]


def test_torn_lines(tmp_path: Path):
    """A few lines of GLUE's own files lack a text or the label: they are left out, and it is said."""
    task, header = GlueTask("qqp"), ORIGINAL["qqp"][0]
    path = as_tsv(tmp_path, header, ["0\t1\t2\ta\tb\t1", "1\t1\t2\ta", "2\t1\t2\tc\td\t0"])

    rows = task.read(path)

    assert list(rows.column("text")) == ["a", "c"]
    assert task.notes == ["1 of 3 lines lack a text or a label: left out."]


def test_a_tuple_of_a_table_and_labels():
    """(x, y) is x and y, as everywhere."""
    rows = GlueTask("rte").read((pd.DataFrame({"premise": TEXTS[:2], "hypothesis": TEXTS[:2]}), [1, 0]))

    assert list(rows.column("target")) == ["not_entailment", "entailment"]


def test_columns_by_the_users_names():
    """text=, target= and prepare= work as in any task; prepare sees the user's own columns."""
    table = {"first": TEXTS[:2], "second": TEXTS[:2], "gold": [1, 0]}
    chosen = GlueTask("mnli").read(table, text=["first", "second"], target="gold")

    prepared = GlueTask("mnli").read(
        {"a": TEXTS[:2], "gold_label": [1, 0]}, prepare=lambda row: {**row, "sentence1": row["a"], "sentence2": "b"}
    )

    assert list(chosen.column("target")) == ["neutral", "entailment"] == list(prepared.column("target"))
    assert list(prepared.column("text_pair")) == ["b", "b"]


@pytest.mark.parametrize(
    ("part", "x", "text"),
    [
        ("mnli", TEXTS[:2], r"hold one text each, and glue/mnli is about premise and hypothesis(.|\n)*'premise', 'hyp"),
        (
            "cola",
            list(zip(TEXTS[:2], TEXTS[:2], strict=True)),
            r"hold two texts each, and glue/cola is about sentence\.",
        ),
    ],
)
def test_texts_that_do_not_fit(part: str, x: Any, text: str):
    """Pairs for a task on single texts, or the reverse, are refused."""
    with pytest.raises(DataError, match=text):
        GlueTask(part).read(x, [0, 1])


def test_empty():
    """No rows are an error, as everywhere."""
    with pytest.raises(DataError, match="x is empty"):
        GlueTask("mnli").read([])


def test_tokenised_rows(tiny_bert: Path):
    """Rows that are tokenised already need no texts."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    rows = [{**tokenizer(a, b), "label": y} for a, b, y in zip(TEXTS, PAIRED, numbers_of("mnli", 40), strict=True)]

    measured = model_of("mnli", tiny_bert).evaluate(rows, verbose=0)

    assert measured == pytest.approx(model_of("mnli", tiny_bert).evaluate(table_of("mnli", 40), verbose=0))


def test_a_loader_of_tensors(tiny_bert: Path):
    """A DataLoader of padded tensors has GLUE's numbers among them."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    x = dict(tokenizer(TEXTS, PAIRED, padding=True, return_tensors="pt"))
    y = torch.tensor(numbers_of("mnli", 40))
    loader: Any = DataLoader(
        range(40),
        batch_size=8,
        collate_fn=lambda rows: {**{k: v[rows] for k, v in x.items()}, "labels": y[rows]},
    )

    measured = model_of("mnli", tiny_bert).evaluate(loader, verbose=0)

    assert measured == pytest.approx(model_of("mnli", tiny_bert).evaluate(table_of("mnli", 40), verbose=0), rel=1e-5)


# Parts


def folder_of(folder: Path) -> Path:
    """Write mnli as GLUE does: a train file and two dev files."""
    header, line = ORIGINAL["mnli"]
    for name, rows in {"train": slice(24), "dev_matched": slice(24, 32), "dev_mismatched": slice(32, 40)}.items():
        numbers = numbers_of("mnli", 40)[rows]
        lines = [line(*row) for row in zip(TEXTS[rows], PAIRED[rows], numbers, strict=True)]
        (folder / f"{name}.tsv").write_text("\n".join([str(header), *lines]) + "\n")
    return folder


def parts_of(folder: Path) -> datasets.DatasetDict:
    """Give mnli as the hub does."""
    whole, hidden = dataset_of("mnli", 40), dataset_of("mnli", 4, is_hidden=True)
    parts = {"train": range(24), "validation_matched": range(24, 32), "validation_mismatched": range(32, 40)}
    splits = {name: whole.select(rows) for name, rows in parts.items()}
    return datasets.DatasetDict({**splits, "test_matched": hidden, "test_mismatched": hidden})


def frames_of(folder: Path) -> dict[str, Any]:
    """Give mnli as a dict of tables, under GLUE's own names."""
    frame = pd.DataFrame(table_of("mnli", 40))
    return {"train": frame[:24], "dev_matched": frame[24:32], "dev_mismatched": frame[32:]}


@pytest.mark.parametrize("give", [folder_of, parts_of, frames_of])
def test_both_dev_parts(give: Callable[[Path], Any], tiny_bert: Path, tmp_path: Path):
    """Of such a container `fit` validates on the matched part, and `evaluate` measures both."""
    frame = pd.DataFrame(table_of("mnli", 40))
    model, by_hand = model_of("mnli", tiny_bert), model_of("mnli", tiny_bert)

    history = model.fit(give(tmp_path), epochs=1, seed=0, verbose=0)
    measured = model.evaluate(give(tmp_path), verbose=0)

    expected = by_hand.fit(frame[:24], validation_data=frame[24:32], epochs=1, seed=0, verbose=0)
    matched, mismatched = (by_hand.evaluate(frame[rows], verbose=0) for rows in (slice(24, 32), slice(32, 40)))
    assert torch.equal(weights_of(model.network), weights_of(by_hand.network))
    assert history[0]["val_loss"] == expected[0]["val_loss"]
    assert list(measured) == ["matched_loss", "matched_accuracy", "mismatched_loss", "mismatched_accuracy"]
    assert list(measured.values()) == [*matched.values(), *mismatched.values()]


def test_predict_the_hidden_matched_part(tiny_bert: Path, tmp_path: Path):
    """Of the hub's whole mnli `predict` answers the matched test part, whose labels are hidden."""
    model, parts = model_of("mnli", tiny_bert), parts_of(tmp_path)

    assert model.predict(parts) == model.predict(parts["test_matched"])


def test_parts_as_validation_data(tiny_bert: Path, tmp_path: Path):
    """Given as validation_data, the matched part validates too."""
    frames, model = frames_of(tmp_path), model_of("mnli", tiny_bert)

    history = model.fit(frames["train"], validation_data=frames, epochs=1, seed=0, verbose=0)

    assert history[0]["val_loss"] == model.evaluate(frames["dev_matched"], verbose=0)["loss"]


def test_one_dev_part(tiny_bert: Path, tmp_path: Path):
    """Where only one of the two is there, it is measured under its name."""
    frames = frames_of(tmp_path)

    measured = model_of("mnli", tiny_bert).evaluate({"dev_mismatched": frames["dev_mismatched"]}, verbose=0)

    assert list(measured) == ["mismatched_loss", "mismatched_accuracy"]


def test_a_test_part_with_labels(tiny_bert: Path, tmp_path: Path):
    """A task with one dev part measures the test part, as any other task does."""
    table = pd.DataFrame(table_of("qnli", 40))
    for name, rows in {"train": table[:24], "dev": table[24:32], "test": table[32:]}.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    model = model_of("qnli", tiny_bert)

    history = model.fit(tmp_path, epochs=1, seed=0, verbose=0)

    assert history[0]["val_loss"] == model.evaluate(table[24:32], verbose=0)["loss"]
    assert model.evaluate(str(tmp_path), verbose=0) == model.evaluate(table[32:], verbose=0)
    assert model.predict(tmp_path) == model.predict(table[32:])


def test_a_stream(tiny_bert: Path):
    """A stream of rows with GLUE's numbers is learned from as it comes."""
    model = model_of("mnli", tiny_bert)
    stream = datasets.Dataset.from_dict(table_of("mnli")).to_iterable_dataset()

    history = model.fit(stream, steps_per_epoch=3, batch_size=8, epochs=1, seed=0, verbose=0)

    assert math.isfinite(history[0]["loss"])


# Checkpoints of others


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], ["contradiction", "neutral", "entailment"]),
        (["LABEL_0", "LABEL_1", "LABEL_2"], ["entailment", "neutral", "contradiction"]),
    ],
)
def test_a_checkpoint_with_a_head(names: list[str], expected: list[str], tiny_bert: Path, tmp_path: Path):
    """The head of a checkpoint that knows the labels, however it writes them, is kept, in its own order."""
    config = AutoConfig.from_pretrained(tiny_bert, num_labels=3, id2label=dict(enumerate(names)))
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert, config=config)
    network.save_pretrained(tmp_path / "nli")
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path / "nli")

    model = Model(str(tmp_path / "nli"), task="glue/mnli", device="cpu")

    assert model.labels == expected
    assert torch.equal(model.network.wrapped.classifier.weight, network.classifier.weight)
    assert GlueTask.from_state(json.loads(json.dumps(model.task.state()))).known_labels.names == tuple(expected)


def test_f1_follows_the_label(tiny_bert: Path, tmp_path: Path):
    """F1 is that of the equivalent pairs, also where a checkpoint has them as its first class."""
    config = AutoConfig.from_pretrained(tiny_bert, num_labels=2, id2label={0: "equivalent", 1: "not_equivalent"})
    AutoModelForSequenceClassification.from_pretrained(tiny_bert, config=config).save_pretrained(tmp_path / "mrpc")
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path / "mrpc")
    model = Model(str(tmp_path / "mrpc"), task="glue/mrpc", device="cpu")

    measured = model.evaluate(table_of("mrpc"), verbose=0)

    answers = [answer == "equivalent" for answer in model.predict(table_of("mrpc"))]
    assert measured["f1"] == pytest.approx(f1_score(np.array(numbers_of("mrpc")) == 1, answers))
    assert measured["accuracy"] == pytest.approx(accuracy_score(np.array(numbers_of("mrpc")) == 1, answers))


def test_every_part_is_tried():
    """No part is forgotten in these tests."""
    assert list(PARTS) == list(COLUMNS) == list(ORIGINAL)
