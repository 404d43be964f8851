"""Question answering: SQuAD's rows in, a hand-written loop's weights, the user's own words out."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, BertForQuestionAnswering, pipelines

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks import QuestionAnswering
from keraslike.tasks.feed import Feed
from tests.engine.loops import batches_by_hand, gradient_of, weights_of
from tests.tasks.cases.question_answering import ANSWERS, CONTEXTS, QUESTIONS, ROWS

SEED = 7
STRIDE = 16
ANSWERED = [number for number, answers in enumerate(ANSWERS) if answers["text"]]
X = [ROWS[number] for number in ANSWERED]
Y = [ANSWERS[number] for number in ANSWERED]
SQUAD = [{**row, "answers": answers} for row, answers in zip(X, Y, strict=True)]

bodies = pytest.mark.parametrize("body", ["tiny_bert", "tiny_distilbert", "tiny_roberta", "tiny_gpt2"])


@pytest.fixture
def folder(body: str, request: pytest.FixtureRequest) -> Path:
    """The directory of a tiny model."""
    found: Path = request.getfixturevalue(body)
    return found


def fitted(folder: Any, x: Any = X, y: Any = Y, task: Any = "question-answering", **options: Any) -> Any:
    """Fit without dropout's luck: a fixed seed, silent."""
    model = Model(str(folder), task=task, device="cpu")
    model.fit(x, y, **{"epochs": 1, "batch_size": 8, "seed": SEED, "verbose": 0, **options})
    return model


# Learning


def windows_by_hand(tokenizer: Any, rows: list[Any], answers: list[Any]) -> tuple[list[dict[str, Any]], Tensor]:
    """Give inputs and (first, last) of each window, as transformers' documentation teaches it."""
    inputs, spans = [], []
    for row, given in zip(rows, answers, strict=True):
        encoded = tokenizer(
            row["question"],
            row["context"],
            truncation="only_second",
            max_length=64,
            stride=STRIDE,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        for index, offsets in enumerate(encoded["offset_mapping"]):
            inputs.append({name: encoded[name][index] for name in tokenizer.model_input_names})
            spans.append((0, 0))
            if not given["text"]:
                continue
            begin, end = given["answer_start"][0], given["answer_start"][0] + len(given["text"][0])
            parts = encoded.sequence_ids(index)
            first, last = parts.index(1), len(parts) - 1 - parts[::-1].index(1)
            if offsets[first][0] <= begin and offsets[last][1] >= end:
                before = [place for place in range(first, last + 1) if offsets[place][0] <= begin]
                behind = [place for place in range(first, last + 1) if offsets[place][1] >= end]
                spans[-1] = (before[-1], behind[0])
    return inputs, torch.tensor(spans)


def padded_by_hand(tokenizer: Any, inputs: list[dict[str, Any]]) -> dict[str, Tensor]:
    return dict(tokenizer.pad(inputs, padding_side="right", return_tensors="pt"))


def masked_loss(network: Any, inputs: dict[str, Tensor], spans: Tensor) -> Tensor:
    """Give the head's loss with the padding kept out of the softmax."""
    outputs = network(**inputs)
    padding = inputs["attention_mask"] == 0
    first, last = (
        F.cross_entropy(logits.masked_fill(padding, -torch.inf), spans[:, end])
        for end, logits in enumerate((outputs.start_logits, outputs.end_logits))
    )
    return (first + last) / 2


def own_loss(network: Any, inputs: dict[str, Tensor], spans: Tensor) -> Tensor:
    """Give the loss that transformers' head computes itself."""
    loss: Tensor = network(**inputs, start_positions=spans[:, 0], end_positions=spans[:, 1]).loss
    return loss


def learn_by_hand(folder: Path, loss: Any, rows: list[Any], answers: list[Any], batch_size: int, epochs: int) -> Any:
    """Fine-tune by the documented recipe: AdamW, 10 % warm-up, linear decay, clipping; order from (seed, epoch)."""
    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForQuestionAnswering.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    inputs, spans = windows_by_hand(tokenizer, rows, answers)
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=5e-5, fused=True)
    updates = epochs * math.ceil(len(inputs) / batch_size)
    warm = math.ceil(0.1 * updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    for epoch in range(1, epochs + 1):
        for batch in batches_by_hand(len(inputs), batch_size, SEED, epoch):
            optimizer.zero_grad()
            loss(network, padded_by_hand(tokenizer, [inputs[i] for i in batch]), spans[batch]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network, updates


@bodies
def test_weights_of_a_hand_written_loop(folder: Path):
    """Windows, targets, order, loss and recipe: at least 20 updates bit for bit, with unanswerable questions."""
    by_hand, updates = learn_by_hand(folder, masked_loss, ROWS, ANSWERS, batch_size=8, epochs=4)

    task = QuestionAnswering(stride=STRIDE)
    model = fitted(folder, ROWS, ANSWERS, task, epochs=4, learning_rate=5e-5, micro_batch_size=None)

    assert updates >= 20
    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_weights_of_the_heads_own_loss(tiny_bert: Path):
    """Where nothing is padded, one window at a time, the loss of transformers' own head trains to the same bits."""
    by_hand, updates = learn_by_hand(tiny_bert, own_loss, X[:20], Y[:20], batch_size=1, epochs=1)

    task = QuestionAnswering(stride=STRIDE)
    model = fitted(tiny_bert, X[:20], Y[:20], task, batch_size=1, learning_rate=5e-5, micro_batch_size=None)

    assert updates >= 20
    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_three_lines(tiny_bert: Path):
    """Rows in, answers out: the tiny model learns them by heart, those without an answer too."""
    short = [number for number in range(len(ROWS)) if number % 4]
    x, y = [ROWS[number] for number in short], [ANSWERS[number] for number in short]

    model = Model(str(tiny_bert), task="question-answering", device="cpu")
    history = model.fit(x, y, epochs=40, batch_size=8, learning_rate=3e-3, seed=0, verbose=0)
    answers = model.predict(x)

    measured = model.evaluate(x, y, verbose=0)
    assert history[-1]["loss"] < history[0]["loss"] / 10
    assert [answer["answer"] for answer in answers] == ["".join(answer["text"]) for answer in y]
    assert (measured["exact_match"], measured["answer_f1"]) == (1.0, 1.0)
    assert set(measured) == {"loss", "exact_match", "answer_f1"}


def without_dropout(folder: Path) -> Any:
    options = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    return BertForQuestionAnswering.from_pretrained(folder, **options).double()


@pytest.mark.parametrize("size", [1, 3, "auto", "shortest first"])
def test_micro_batches_give_the_gradient_of_the_whole(tiny_bert: Path, size: Any):
    """However a batch is cut, each part padded to its own longest window, the gradient is the whole batch's."""
    network = without_dropout(tiny_bert)
    task = QuestionAnswering(stride=STRIDE)
    task.learn(rows := Feed(task).read(ROWS, ANSWERS))
    task.build(network, tokenizer=AutoTokenizer.from_pretrained(tiny_bert))
    features = list(task.encode_rows(rows))
    whole, part = task.loss, 3 if isinstance(size, str) else size
    ordered = sorted(features, key=lambda f: len(f["input_ids"])) if isinstance(size, str) else features

    def outputs_of(some: Any) -> tuple[Tensor, Tensor]:
        inputs, targets = task.collate(some)
        return task.read_outputs(network(**inputs)), targets

    parts = [outputs_of(ordered[start : start + part]) for start in range(0, len(ordered), part)]
    count = sum(whole.count(targets) for _, targets in parts)
    total = sum(whole.total(*part) for part in parts) / count

    expected = gradient_of(network, whole.mean(*outputs_of(features)))
    assert len({part[0].shape[1] for part in parts}) > 1
    assert (gradient_of(network, total) - expected).abs().max() < 1e-10


@pytest.mark.parametrize("size", [1, 5, "auto"])
def test_micro_batches_train_to_the_same_weights(tiny_bert: Path, size: Any):
    """Through `fit`, a cut batch takes the steps of the whole one."""

    def trained(micro_batch_size: Any) -> Tensor:
        network = without_dropout(tiny_bert)
        tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        model = Model(network, optimizer, task=QuestionAnswering(), tokenizer=tokenizer, device="cpu")
        model.fit(ROWS, ANSWERS, batch_size=16, epochs=1, seed=0, micro_batch_size=micro_batch_size, verbose=0)
        return weights_of(model.network)

    assert (trained(size) - trained(None)).abs().max() < 1e-10


def test_padding_does_not_change_the_measurement(tiny_bert: Path):
    """One number per model and data set: alone, or beside windows twice as long (the head's own loss differs)."""
    model = fitted(tiny_bert)
    short = [number for number, row in enumerate(X) if len(row["context"]) < 60]

    alone = [model.evaluate([X[number]], [Y[number]], verbose=0)["loss"] for number in short]
    together = model.evaluate([X[n] for n in short], [Y[n] for n in short], batch_size=100, verbose=0)["loss"]

    assert together == pytest.approx(np.mean(alone), rel=1e-6)


def test_sample_weights_of_rows_weigh_their_windows(tiny_bert: Path):
    """A row of weight 0 teaches nothing, in none of its windows."""
    weights = [float(number % 2) for number in range(len(X))]
    chosen = [number for number in range(len(X)) if number % 2]

    options = {"batch_size": 1000, "learning_rate": 1e-3, "micro_batch_size": None}
    weighed = fitted(tiny_bert, sample_weight=weights, **options).history[0]["loss"]
    alone = fitted(tiny_bert, [X[n] for n in chosen], [Y[n] for n in chosen], **options).history[0]["loss"]

    assert weighed == pytest.approx(alone, rel=0.05)  # dropout draws other masks


# The data


def nested(rows: list[Any]) -> dict[str, Any]:
    """Give rows as SQuAD's file has them."""
    paragraphs = [
        {
            "context": row["context"],
            "qas": [
                {
                    "id": str(number),
                    "question": row["question"],
                    "answers": [
                        {"text": text, "answer_start": start}
                        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
                    ],
                }
            ],
        }
        for number, row in enumerate(rows)
    ]
    return {"version": "1.1", "data": [{"title": "films", "paragraphs": paragraphs}]}


def as_files(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "squad.json").write_text(json.dumps(nested(SQUAD)))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SQUAD))
    datasets.Dataset.from_list(SQUAD).to_parquet(tmp_path / "rows.parquet")
    return {name: (str(tmp_path / name), None) for name in ("squad.json", "rows.jsonl", "rows.parquet")}


def test_every_form_of_the_rows_is_the_same(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lists, dicts, tables, Datasets and files, with the answers in them or apart, train to the same weights."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    pairs = [(row["question"], row["context"]) for row in X]
    one_by_one = [
        [{"text": t, "answer_start": s} for t, s in zip(y["text"], y["answer_start"], strict=True)] for y in Y
    ]
    forms = {
        "dicts": (SQUAD, None),
        "dicts and answers": (X, Y),
        "lists of dicts": (X, one_by_one),
        "tuples": (pairs, Y),
        "a tuple of columns": (([q for q, _ in pairs], [c for _, c in pairs]), Y),
        "columns": ({"question": [q for q, _ in pairs], "context": [c for _, c in pairs], "answers": Y}, None),
        "a generator": ((row for row in SQUAD), None),
        "a Dataset": (datasets.Dataset.from_list(SQUAD), None),
        "a DatasetDict": (datasets.DatasetDict({"train": datasets.Dataset.from_list(SQUAD)}), None),
        "pandas": (pd.DataFrame(SQUAD), None),
        "nested": (nested(SQUAD), None),
        **as_files(tmp_path),
    }

    weights = {name: weights_of(fitted(tiny_bert, *form).network) for name, form in forms.items()}

    assert [name for name, found in weights.items() if not torch.equal(found, weights["dicts"])] == []


def test_nested_file_needs_no_copy(tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """SQuAD's own file is read as it is: fit, validation, evaluate and predict take its path, and nothing is copied."""
    file = as_files(tmp_path)["squad.json"][0]
    model = Model(str(tiny_bert), task="question-answering", device="cpu")

    history = model.fit(file, validation_data=file, epochs=1, seed=SEED, verbose=2)

    assert "Arrow" not in capsys.readouterr().out
    assert model.evaluate(file, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    assert history[0]["val_exact_match"] == model.evaluate(file, verbose=0)["exact_match"]
    assert model.predict(Path(file)) == model.predict(X)


def test_other_names_of_columns(tiny_bert: Path):
    """Columns are found by usual names, or named, and remembered."""
    rows = [{"q": row["question"], "c": row["context"], "a": y} for row, y in zip(X, Y, strict=True)]

    model = fitted(tiny_bert, rows, None, text=["q", "c"], target="a")

    assert torch.equal(weights_of(model.network), weights_of(fitted(tiny_bert).network))
    assert model.predict({"q": QUESTIONS[0], "c": CONTEXTS[0]}) == model.predict([(QUESTIONS[0], CONTEXTS[0])])[0]


def test_split_keeps_the_share_of_questions_without_an_answer(tiny_bert: Path):
    """`validation_split` is stratified by whether there is an answer; where all have one, it is not."""
    task = QuestionAnswering()
    rows = Feed(task).read(ROWS, ANSWERS)

    assert task.strata(rows) == [bool(answers["text"]) for answers in ANSWERS]
    assert task.strata(Feed(task).read(X, Y)) is None


def test_screen_says_what_was_cut_and_what_has_no_answer(tiny_bert: Path, capsys: pytest.CaptureFixture[str]):
    """Before training: how many questions have no answer, how many contexts go through in windows, and how many."""
    model = Model(str(tiny_bert), task="question-answering", device="cpu")

    model.fit(ROWS, ANSWERS, validation_data=(X[:4], Y[:4]), epochs=1, verbose=2)

    shown = capsys.readouterr().out
    features = list(model.task.encode_rows(Feed(model.task).read(ROWS, ANSWERS)))
    cut = {feature["row"] for feature, after in pairwise(features) if feature["row"] == after["row"]}
    assert len(cut) > 5
    assert "8 of 40 questions without an answer" in shown
    share = f"{len(cut)} of 40 contexts ({2.5 * len(cut):.1f} %)"
    assert f"{share} go through in windows of 64 tokens, {len(features)} in all." in shown
    assert "1 of 4 validation contexts (25.0 %) go through in windows" in shown


def wrong(number: int, **changes: Any) -> list[Any]:
    return [{**row, **changes} if place == number else row for place, row in enumerate(SQUAD)]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (wrong(3, question=" "), r"row 3 \(counted from 0\) has the question ' ', a str"),
        (wrong(3, context=None), r"row 3 .* has the context None, None"),
        (wrong(3, context=5.5), r"row 3 .* has the context 5.5, a float"),
        (wrong(5, answers=7), r"row 5 .* has the answers 7, an int"),
        (wrong(5, answers={"text": ["film"], "answer_start": [1]}), "row 5 .*'film' does not begin at character 1"),
        (wrong(5, answers={"text": ["fish"], "answer_start": [1]}), "does not hold it at all"),
        (wrong(0, answers="film"), r"row 0 .*'film' has no answer_start, and stands \d+ times"),
        (wrong(3, question="a " * 70), r"row 3 .*its question, with special tokens, takes 73 of max_length=64 tokens"),
        (QUESTIONS, r"row 0 of x .* is .*a str"),
        ([{"question": "a"}], "no column holds a context for each row"),
        ([{"question": "a", "context": "b"}], "no column holds the answers for each row"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_bad_rows(tiny_bert: Path, rows: Any, what: str):
    """Every mistake in the data is told before the first step, with the user's row and value."""
    model = Model(str(tiny_bert), task="question-answering", device="cpu")
    before = weights_of(model.network)

    with pytest.raises(DataError, match=what):
        model.fit(rows, verbose=0)

    assert torch.equal(weights_of(model.network), before)


def test_row_numbers_are_the_users(tiny_bert: Path):
    """A row that was split off for validation is named by its number in the user's data."""
    rows = wrong(30, answers={"text": ["fish"], "answer_start": [1]})

    for seed in range(3):
        with pytest.raises(DataError, match=r"row 30 \(counted from 0\): the answer 'fish'"):
            fitted(tiny_bert, rows, None, validation_split=0.5, seed=seed)


# Answers


def answer_by_hand(folder: Any, question: str, context: str, most: int = 30) -> tuple[str, int, int]:
    """Answer from one window as the question-answering pipeline did: softmaxes over the context, the best product."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    encoded = tokenizer(question, context, return_offsets_mapping=True, return_tensors="pt")
    parts = encoded.sequence_ids(0)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        outputs = network(**encoded)
    outside = torch.tensor([part != 1 for part in parts])
    starts, ends = (
        logits[0].masked_fill(outside, -10_000.0).softmax(0) for logits in (outputs.start_logits, outputs.end_logits)
    )
    products = torch.outer(starts, ends).triu().tril(most - 1)
    first, last = divmod(int(products.argmax()), len(parts))
    start, end = offsets[first][0], offsets[last][1]
    return context[start:end], start, end


@bodies
def test_saved_model_is_read_by_transformers(folder: Path, tmp_path: Path):
    """The directory loads as an Auto model with the same logits, and its answers are those read off by hand."""
    model = fitted(folder, learning_rate=1e-3, epochs=2)
    model.save(tmp_path / "saved")

    again = Model.load(tmp_path / "saved", device="cpu")
    network = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "saved").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for row in X[1:4]:
        with torch.no_grad():
            outputs = network(**tokenizer(row["question"], row["context"], return_tensors="pt"))
        expected = torch.stack((outputs.start_logits, outputs.end_logits), -1)[0].numpy()
        assert model.predict_logits(row) == pytest.approx(expected, abs=1e-6)
        answer = model.predict(row)
        by_hand = answer_by_hand(tmp_path / "saved", row["question"], row["context"])
        assert (answer["answer"], answer["start"], answer["end"]) == by_hand
    assert again.predict(ROWS) == model.predict(ROWS)


def test_transformers_has_no_pipeline_any_more():
    """There is nothing to compare with: transformers 5 has dropped the pipeline for this task."""
    assert "question-answering" not in pipelines.PIPELINE_REGISTRY.get_supported_tasks()


def test_one_row_gives_one_answer(tiny_bert: Path):
    """A dict and a pair give a dict, many rows a list; the text is the user's own, from start to end."""
    model = fitted(tiny_bert)

    one = model.predict({"question": QUESTIONS[0], "context": CONTEXTS[0]})

    assert set(one) == {"answer", "start", "end", "score"}
    assert [type(value) for value in one.values()] == [str, int, int, float]
    assert one["answer"] == CONTEXTS[0][one["start"] : one["end"]] != ""
    assert 0 < one["score"] <= 1
    pair = (QUESTIONS[0], CONTEXTS[0])
    assert model.predict(pair) == one
    assert model.predict([pair]) == model.predict([ROWS[0]]) == [one]
    assert model.predict(SQUAD[0])["answer"] == model.predict(SQUAD)[0]["answer"]
    assert model.predict({"question": QUESTIONS[:2], "context": CONTEXTS[:2]}) == model.predict(ROWS[:2])
    assert model.predict(nested(SQUAD[:2])) == model.predict(SQUAD[:2])
    with pytest.raises(DataError, match="a dict, or a tuple of question and context"):
        model.predict("what ?")


def test_text_is_the_users_own(tiny_bert: Path):
    """Capitals, spaces and line breaks of the context are in the answer, though the tokenizer drops them."""
    model = fitted(tiny_bert, learning_rate=3e-3, epochs=10)
    context = "\n  The STORY  was\tmoving from the   First\n scene ."

    answer = model.predict(("what was the film in story 0 ?", context))

    assert answer["answer"] == context[answer["start"] : answer["end"]].strip() != ""
    assert answer["end"] - answer["start"] == len(answer["answer"])


def test_windows_of_one_context_give_one_answer(tiny_bert: Path):
    """The answer of a long context is the best span over all its windows, tried by hand."""
    model = fitted(tiny_bert, task=QuestionAnswering(stride=STRIDE), learning_rate=3e-3, epochs=5)
    tokenizer = model.task.tokenizer
    context = " ".join(CONTEXTS[:3])

    answer = model.predict((QUESTIONS[0], context))

    how = {"truncation": "only_second", "max_length": 64, "stride": STRIDE, "return_overflowing_tokens": True}
    encoded = tokenizer(QUESTIONS[0], context, return_offsets_mapping=True, **how)
    tried: list[tuple[float, int, int]] = []
    for index, offsets in enumerate(encoded["offset_mapping"]):
        inputs = {name: torch.tensor([encoded[name][index]]) for name in tokenizer.model_input_names}
        with torch.no_grad():
            outputs = model.network.eval()(inputs)
        inside = [place for place, part in enumerate(encoded.sequence_ids(index)) if part == 1]
        tried += [
            (float(outputs.start_logits[0, i] + outputs.end_logits[0, j]), offsets[i][0], offsets[j][1])
            for i in inside
            for j in inside
            if i <= j < i + 30
        ]
    score, start, end = max(tried)
    assert len(encoded["offset_mapping"]) > 3
    assert (answer["start"], answer["end"]) == (start, end)
    assert answer["score"] == pytest.approx(math.exp(score) / sum(math.exp(one[0]) for one in tried), rel=1e-4)


def test_several_answers(tiny_bert: Path):
    """With `top_k` there are so many different answers, the best first; its first is the only one of `top_k=1`."""
    model = fitted(tiny_bert, task=QuestionAnswering(top_k=4))
    one = fitted(tiny_bert)

    found = model.predict(X[:5])

    assert [len(answers) for answers in found] == [4] * 5
    for answers in found:
        assert len({(answer["start"], answer["end"]) for answer in answers}) == 4
        assert [answer["score"] for answer in answers] == sorted((a["score"] for a in answers), reverse=True)
    assert [answers[0] for answers in found] == one.predict(X[:5])
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(one.evaluate(X, Y, verbose=0))


def test_answers_are_no_longer_than_asked_for(tiny_bert: Path):
    """`max_answer_length` counts tokens; all scores of the spans of one token add up to 1."""
    model = fitted(tiny_bert, task=QuestionAnswering(max_answer_length=1, top_k=100))

    [answers] = model.predict([(QUESTIONS[1], CONTEXTS[1])])

    words = CONTEXTS[1].split()
    assert sorted(answer["answer"] for answer in answers) == sorted(words)
    assert sum(answer["score"] for answer in answers) == pytest.approx(1)


@pytest.mark.parametrize(("threshold", "share"), [(-1e6, 1.0), (1e6, 0.0)])
def test_no_answer_by_threshold(tiny_bert: Path, threshold: float, share: float):
    """A model that has seen unanswerable questions says so where "no answer" is ahead by more than the threshold."""
    model = fitted(tiny_bert, ROWS, ANSWERS, QuestionAnswering(null_threshold=threshold))

    answers = model.predict(ROWS)

    assert np.mean([answer["answer"] == "" for answer in answers]) == share
    nothing = [answer for answer in answers if not answer["answer"]]
    assert all((answer["start"], answer["end"]) == (0, 0) and 0 < answer["score"] < 1 for answer in nothing)


def test_no_answer_is_compared_in_logits(tiny_bert: Path):
    """The threshold is the difference of the sums of logits, of the window that believes in "no answer" least."""
    model = fitted(tiny_bert, ROWS, ANSWERS, QuestionAnswering(stride=STRIDE, max_answer_length=1))
    row = (QUESTIONS[0], " ".join(CONTEXTS[:2]))
    features = model.task.encode({"question": row[0], "context": row[1]})
    logits = [np.asarray(found, dtype=np.float64) for found in model.predict_logits([row])]
    null = min(window[0].sum() for window in logits)
    best = max(
        window[feature["first"] : feature["first"] + len(feature["starts"])].sum(1).max()
        for window, feature in zip(logits, features, strict=True)
    )

    model.task.null_threshold = null - best + 1e-3
    is_answered = model.predict(row)["answer"] != ""
    model.task.null_threshold = null - best - 1e-3

    assert len(features) > 1
    assert is_answered
    assert model.predict(row)["answer"] == ""


def test_no_answer_among_several(tiny_bert: Path):
    """With `top_k` "no answer" stands at its place among the answers, and the scores are probabilities of all."""
    model = fitted(tiny_bert, ROWS, ANSWERS, QuestionAnswering(max_answer_length=1, top_k=100))

    [answers] = model.predict([(QUESTIONS[1], CONTEXTS[1])])

    assert sum(answer["answer"] == "" for answer in answers) == 1
    assert sum(answer["score"] for answer in answers) == pytest.approx(1)
    assert [answer["score"] for answer in answers] == sorted((a["score"] for a in answers), reverse=True)


def test_no_answer_is_learned_from_the_data(tiny_bert: Path, tmp_path: Path):
    """Whether there were unanswerable questions is learned, saved, and may be said."""
    learned = fitted(tiny_bert, ROWS, ANSWERS)
    learned.save(tmp_path / "saved")

    assert (fitted(tiny_bert).task.unanswerable, learned.task.unanswerable) == (False, True)
    assert Model.load(tmp_path / "saved", device="cpu").task.unanswerable
    assert fitted(tiny_bert, task=QuestionAnswering(unanswerable=True)).task.unanswerable


def test_model_that_is_already_trained(tiny_bert: Path, tmp_path: Path):
    """A checkpoint with a head for the task answers without `fit`, as it did."""
    model = fitted(tiny_bert)
    model.save(tmp_path / "saved")

    again = Model(str(tmp_path / "saved"), task="question-answering", device="cpu")

    assert again.predict(ROWS) == model.predict(ROWS)


def test_head_of_another_width_is_replaced(tiny_bert: Path, tmp_path: Path):
    """A body whose configuration says three labels gets a head of two outputs per token."""
    from transformers import AutoModelForSequenceClassification

    other = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=3)
    other.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)

    model = fitted(tmp_path)

    assert model.network.config.num_labels == 2
    assert len(model.predict(X)) == len(X)


def test_logits_of_half_precision(tiny_bert: Path):
    """Answers are read from logits of half precision, too, by `evaluate` as by `predict`."""
    model = Model(str(tiny_bert), task="question-answering", precision="bf16", device="cpu")
    model.fit(X, Y, epochs=1, seed=SEED, verbose=0)

    measured = model.evaluate(X, Y, verbose=0)

    answers = model.predict(X)
    right = [answer["answer"] == y["text"][0] for answer, y in zip(answers, Y, strict=True)]
    assert measured["exact_match"] == pytest.approx(np.mean(right), abs=0.1)  # other batches round otherwise


# Options and networks


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"stride": -1}, "stride is -1"),
        ({"stride": 0.5}, "stride is 0.5"),
        ({"max_answer_length": 0}, "max_answer_length is 0"),
        ({"top_k": True}, "top_k is True"),
    ],
)
def test_options_out_of_range(options: Any, what: str):
    """An option out of its range is refused with what would be right."""
    with pytest.raises(ArgumentError, match=rf"{what}.\n.*a whole number from \d on"):
        QuestionAnswering(**options)


def test_networks_of_another_kind(tiny_bert: Path):
    """A head, a body and a module that give no first and last tokens are refused, with the class to load."""
    from transformers import AutoModel

    body = AutoModel.from_pretrained(tiny_bert)
    with pytest.raises(ArgumentError, match="a BertModel does not give the first and last tokens") as error:
        Model(body, task="question-answering", device="cpu")

    assert "AutoModelForQuestionAnswering" in str(error.value)
    with pytest.raises(ArgumentError, match="gives last_hidden_state, but no start_logits and end_logits"):
        QuestionAnswering().read_outputs({"last_hidden_state": torch.zeros(1, 2, 3)})


def test_network_that_gives_a_tensor():
    """A module of the user's own may give the stacked logits themselves."""
    logits = torch.zeros(1, 4, 2)

    assert QuestionAnswering().read_outputs(logits) is logits


def test_slow_tokenizer(tiny_bert: Path):
    """A tokenizer that does not know the characters of its tokens is refused."""

    class Slow:
        is_fast = False
        pad_token = "[PAD]"
        pad_token_id = 0
        model_max_length = 64

    with pytest.raises(ArgumentError, match="a Slow, does not tell which characters a token is"):
        Model(str(tiny_bert), task="question-answering", tokenizer=Slow(), device="cpu").fit(X, Y, verbose=0)


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "mae"])
def test_metrics_of_classes_are_refused(metric: str, tiny_bert: Path):
    """A span is no class and no value: that is said before anything is trained, with the metric that is meant."""
    with pytest.raises(ArgumentError) as error:
        Model(str(tiny_bert), task="question-answering", metrics=[metric], device="cpu")

    assert str(error.value) == (
        f"the metric {metric!r} has no meaning for the targets of 'question-answering'.\n"
        "  Expected: 'exact_match', 'answer_f1', or a function (predictions, references) of your own.\n"
        "  Do: metrics=['exact_match'], or leave metrics out."
    )


@pytest.mark.parametrize("weights", ["balanced", {0: 2.0}, [1.0, 2.0]], ids=str)
def test_class_weight_is_refused(weights: Any, tiny_bert: Path):
    """Spans are no classes, which is said before anything is read."""
    with pytest.raises(ArgumentError) as error:
        fitted(tiny_bert, class_weight=weights)

    assert str(error.value) == (
        "class_weight is given, but the targets of 'question-answering' are no classes.\n"
        "  Expected: classes, such as those of 'text-classification'.\n"
        "  Do: leave class_weight out, or weigh rows: fit(..., sample_weight=...)."
    )
