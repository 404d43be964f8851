"""What the options of tasks may be: every mistake is an error of the constructor, before anything is loaded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.tasks import (
    AudioClassification,
    FillMask,
    ImageClassification,
    QuestionAnswering,
    SentenceOrdering,
    Text2Text,
    TextClassification,
    TextGeneration,
    TokenClassification,
)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (SentenceOrdering, {"window": "3"}, r"window='3' is a str, no whole number\.\n.*2 sentences or more"),
        (SentenceOrdering, {"window": 2.5}, r"window=2.5 is a float, no whole number"),
        (SentenceOrdering, {"seed": "a"}, r"seed='a' is a str, no whole number\.\n.*a whole number from 0 on"),
        (SentenceOrdering, {"seed": -1}, r"seed=-1 is below 0"),
        (SentenceOrdering, {"marker": 3}, r"marker=3 is no text"),
        (SentenceOrdering, {"targets": ["index"]}, r"targets=\['index'\] is not known"),
        (SentenceOrdering, {"start": "means"}, r"start='means' is not known(.|\n)*did you mean 'mean'"),
        (QuestionAnswering, {"null_threshold": "a"}, r"null_threshold is 'a'\.\n.*a number"),
        (QuestionAnswering, {"null_threshold": float("nan")}, r"null_threshold is nan"),
        (QuestionAnswering, {"unanswerable": "yes"}, r"unanswerable='yes' is a str\.\n.*True or False"),
        (QuestionAnswering, {"stride": True}, r"stride is True"),
        (TextClassification, {"problem_type": "regression", "targets": "2"}, r"targets='2' is a str, no whole number"),
        (TextClassification, {"targets": 0}, r"targets=0 is below 1"),
        (TextClassification, {"targets": 2, "labels": ["a", "b"]}, r"targets=2 is given beside labels"),
        (
            TextClassification,
            {"targets": 2, "problem_type": "multi_label_classification"},
            r"targets=2 is given beside problem_type=multi_label_classification",
        ),
        (TextGeneration, {"top_k": 2.5, "do_sample": True}, r"top_k=2.5 is a float"),
        (TextGeneration, {"top_p": 1.5, "do_sample": True}, r"top_p=1.5 is no share"),
        (TextGeneration, {"temperature": 0, "do_sample": True}, r"temperature is 0\.\n.*a number above 0"),
        (TextGeneration, {"do_sample": 1}, r"do_sample=1 is an int\.\n.*True or False"),
        (TextGeneration, {"max_new_tokens": "9"}, r"max_new_tokens='9' gives no text"),
        (FillMask, {"share": True}, r"share=True is no share"),
        (FillMask, {"whole_words": None}, r"whole_words=None is None\.\n.*True or False"),
        (FillMask, {"block_size": True}, r"block_size=True is no number of tokens"),
        (Text2Text, {"num_beams": True}, r"num_beams=True is a bool, no whole number"),
        (TokenClassification, {"label_all_pieces": "no"}, r"label_all_pieces='no' is a str"),
        (AudioClassification, {"max_seconds": float("inf")}, r"max_seconds=inf is given\.\n.*a number above 0"),
    ],
)
def test_wrong_options(kind: Any, options: dict[str, Any], message: str):
    """Each is refused by the constructor, with its name, its value and what would be right."""
    with pytest.raises(ArgumentError, match=message):
        kind(**options)


@pytest.mark.parametrize("kind", [TextClassification, TokenClassification, ImageClassification, AudioClassification])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("OB", r"labels='OB' is no list of labels"),
        (b"OB", r"labels=b'OB' is no list of labels"),
        (2, r"labels=2 is no list of labels"),
        ({"O": 0, "B": 1}, r"labels=\{'O': 0, 'B': 1\} is no list of labels"),
        ({"O"}, r"labels=\{'O'\} is no list of labels"),
        ([], r"labels=\[\] holds no label"),
        ([["O"], ["B"]], r"labels holds \['O'\], a list"),
        (["O", None], r"labels holds None, None"),
    ],
)
def test_what_is_no_list_of_labels(kind: Any, labels: Any, message: str):
    """A word is not taken apart, and what has no order, or holds nothing, is no list."""
    with pytest.raises(ArgumentError, match=message):
        kind(labels=labels)


@pytest.mark.parametrize("labels", ["OB", [], {"O", "B"}])
def test_the_model_takes_the_same_labels(labels: Any, tiny_bert: Path):
    """`Model(labels=)` refuses what a task refuses."""
    with pytest.raises(ArgumentError, match=r"is no list of labels|holds no label"):
        Model(str(tiny_bert), task="token-classification", labels=labels)


@pytest.mark.parametrize(
    "labels",
    [("O", "B"), np.array(["O", "B"]), pd.Series(["O", "B"]), {"O": 0, "B": 1}.keys()],
    ids=lambda x: str(type(x)),
)
def test_lists_of_labels(labels: Any):
    """Any container with an order is a list of labels."""
    labelled = TokenClassification(labels=labels)

    assert labelled.known_labels.names == ("O", "B")


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, torch.tensor])
def test_numbers_of_numpy_and_torch_are_numbers(kind: Any):
    """They are kept as Python's own, so that the task can be saved as JSON."""
    tasks: list[Any] = [
        QuestionAnswering(stride=kind(8), max_answer_length=kind(9), top_k=kind(2), null_threshold=kind(1)),
        SentenceOrdering(window=kind(3), seed=kind(4)),
        TextGeneration(max_new_tokens=kind(5), num_beams=kind(2), do_sample=True, top_k=kind(3), temperature=kind(1)),
        Text2Text(num_beams=kind(4), max_target_length=kind(7)),
        FillMask(top_k=kind(2), block_size=kind(16)),
        TokenClassification(stride=kind(8)),
        TextClassification(targets=kind(2)),
    ]

    states = [json.loads(json.dumps(task.state())) for task in tasks]

    assert [states[0][name] for name in ("stride", "max_answer_length", "top_k", "null_threshold")] == [8, 9, 2, 1]
    assert [states[1][name] for name in ("window", "seed")] == [3, 4]
    assert [states[2][name] for name in ("max_new_tokens", "num_beams", "top_k", "temperature")] == [5, 2, 3, 1]
    assert [states[3][name] for name in ("num_beams", "max_target_length", "max_new_tokens")] == [4, 7, None]
    assert [states[4][name] for name in ("top_k", "block_size")] == [2, 16]
    assert [states[5]["stride"], states[6]["targets"]] == [8, 2]


def test_bools_of_numpy():
    """So are numpy's True and False."""
    asked = QuestionAnswering(unanswerable=np.True_)  # type: ignore[arg-type]  # what a comparison of arrays gives

    assert asked.unanswerable is True


def test_a_temperature_of_a_whole_number(tiny_gpt2: Path):
    """The sampling of transformers wants a float: a whole number becomes one, and top_k=0 leaves out its own 50."""
    sampling = TextGeneration(do_sample=True, temperature=2, top_k=0, max_new_tokens=2)
    model = Model(str(tiny_gpt2), task=sampling, device="cpu")

    assert isinstance(model.predict("a"), str)


def test_numbers_of_numpy_in_generation():
    """What is handed on to `generate` is saved as JSON too."""
    task = Text2Text(generation={"no_repeat_ngram_size": np.int64(3)})

    assert json.loads(json.dumps(task.state()))["generation"] == {"no_repeat_ngram_size": 3}
