import warnings
from collections import UserDict

import numpy as np
import poutyne
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BatchEncoding,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    default_data_collator,
)

from keraslike.data.loader import TransformerCollator, pad_features
from keraslike.engine.forward import ModelWrapper
from keraslike.errors import ArgumentError, DataError
from keraslike.losses.model import model_loss
from keraslike.metrics.wrapper import MetricWrapper

ROWS = [
    {"input_ids": [2, 7, 3], "so_targets": [1, 0], "labels": 4},
    {"input_ids": [2, 3], "so_targets": [0], "labels": 5},
]
IDS = [[2, 7, 3], [2, 3, 0]]
MASK = [[1, 1, 1], [1, 1, 0]]
LABELS = [4, 5]
TARGETS = [[1, 0], [0, -100]]


def plain(batch):
    return {name: tensor.tolist() for name, tensor in batch.items()}


def equal(batch, expected):
    assert batch.keys() == expected.keys()
    for name, tensor in batch.items():
        assert tensor.dtype == expected[name].dtype, name
        assert torch.equal(tensor, expected[name]), name


def stacked(rows):
    """A custom collator: only the ids, cut to two, under a Mapping that is no dict."""
    return BatchEncoding(
        {"input_ids": torch.tensor([row["input_ids"][:2] for row in rows]), "labels": torch.tensor(LABELS)}
    )


OWN = {"input_ids": IDS, "attention_mask": MASK, "so_targets": [[1, 0], [0, 0]], "labels": LABELS}
CUT = {"input_ids": [[2, 7], [2, 3]], "labels": LABELS}


class TestTargets:
    """What `y_keys`, `custom_collator` and `remove_labels` make of the same two rows."""

    @pytest.mark.parametrize("remove_labels", [False, True])
    @pytest.mark.parametrize(("custom", "inputs"), [(None, OWN), (stacked, CUT)])
    def test_none(self, custom, inputs, remove_labels):
        """Without `y_keys` the targets are one NaN per row, and the inputs keep everything."""
        x, y = TransformerCollator(None, custom, remove_labels)(ROWS)

        assert type(x) is dict
        assert plain(x) == inputs
        assert y.shape == (2,)
        assert y.isnan().all()

    @pytest.mark.parametrize("remove_labels", [False, True])
    @pytest.mark.parametrize(("custom", "inputs"), [(None, OWN), (stacked, CUT)])
    def test_a_name(self, custom, inputs, remove_labels):
        """A name gives the column's tensor, which stays among the inputs unless `remove_labels`."""
        x, y = TransformerCollator("labels", custom, remove_labels)(ROWS)

        assert type(x) is dict
        assert plain(x) == {name: rows for name, rows in inputs.items() if name != "labels" or not remove_labels}
        assert y.tolist() == LABELS

    @pytest.mark.parametrize("remove_labels", [False, True])
    @pytest.mark.parametrize(("custom", "inputs"), [(None, OWN), (stacked, CUT)])
    def test_a_list_of_names(self, custom, inputs, remove_labels):
        """A list gives a dict; of its names `remove_labels` takes the labels out, and leaves what the network reads."""
        x, y = TransformerCollator(["labels", "input_ids"], custom, remove_labels)(ROWS)

        assert plain(x) == {name: rows for name, rows in inputs.items() if name != "labels" or not remove_labels}
        assert type(y) is dict
        assert plain(y) == {"labels": LABELS, "input_ids": inputs["input_ids"]}

    def test_labels_of_any_name(self):
        """What `y_keys` names is a label, padded with -100 and removed, whatever it is called."""
        x, y = TransformerCollator(["so_targets", "input_ids"], remove_labels=True)(ROWS)

        assert plain(x) == {"input_ids": IDS, "attention_mask": MASK, "labels": LABELS}
        assert plain(y) == {"so_targets": TARGETS, "input_ids": IDS}

    def test_a_model_input_is_never_removed(self):
        """An input asked for as a target stays among the inputs."""
        x, y = TransformerCollator("input_ids", remove_labels=True)(ROWS)

        assert plain(x)["input_ids"] == plain({"y": y})["y"] == IDS

    @pytest.mark.parametrize("column", ["labels", "label", "label_ids"])
    @pytest.mark.parametrize("y_keys", ["labels", "label", "label_ids"])
    @pytest.mark.parametrize("remove_labels", [False, True])
    def test_the_three_names_of_the_label(self, column, y_keys, remove_labels):
        """The label column is called "labels" among the inputs, and each of its names finds it."""
        rows = [{"input_ids": [2, 3], column: 1}, {"input_ids": [2, 4], column: 0}]

        x, y = TransformerCollator(y_keys, remove_labels=remove_labels)(rows)

        assert list(x) == (["input_ids"] if remove_labels else ["input_ids", "labels"])
        assert y.tolist() == [1, 0]

    def test_two_names_of_one_label(self):
        """A list that names the label twice gives it twice, under the names asked for."""
        x, y = TransformerCollator(["label", "labels"], remove_labels=True)([{"input_ids": [2], "label": 1}])

        assert plain(x) == {"input_ids": [[2]]}
        assert plain(y) == {"label": [1], "labels": [1]}

    def test_a_misspelt_name(self):
        """A name in `y_keys` that is no column gets the nearest one."""
        with pytest.raises(DataError) as caught:
            TransformerCollator(["lables"])(ROWS)

        assert caught.value.what.startswith("y_keys asks for 'lables'")
        assert caught.value.expected == "one of: input_ids, attention_mask, so_targets, labels."
        assert caught.value.do == "did you mean 'labels'?"

    def test_labels_that_are_missing(self):
        """Rows without labels are refused where labels are asked for."""
        with pytest.raises(DataError, match=r"y_keys asks for 'labels'[\s\S]*give the rows a column 'labels'"):
            TransformerCollator("labels")([{"input_ids": [2]}])

    @pytest.mark.parametrize("y_keys", [3, [], ["labels", 3], {"labels"}])
    def test_y_keys_of_a_wrong_kind(self, y_keys):
        """`y_keys` is refused when the collator is made, not when the first batch comes."""
        with pytest.raises(ArgumentError, match=r"given y_keys=[\s\S]*write y_keys='labels'"):
            TransformerCollator(y_keys)

    def test_a_custom_collator_that_cannot_be_called(self):
        """A name in the collator's place is refused at once."""
        with pytest.raises(ArgumentError, match="custom_collator='default', which cannot be called"):
            TransformerCollator(custom_collator="default")


DTYPES = [
    ([1, 2], torch.int64),
    ([1, 2.5], torch.float32),
    ([1.0, 2.0], torch.float32),
    ([True, False], torch.bool),
    ([np.int32(1), np.int8(2)], torch.int64),
    ([np.float64(1), np.float64(2)], torch.float32),
    ([np.array([1, 2], dtype=np.int32), np.array([3], dtype=np.int32)], torch.int64),
    ([np.array([1.5, 2]), np.array([3.0])], torch.float64),
    ([np.array([[1], [2, 3]], dtype=object), np.array([[4]])], torch.int64),
    ([torch.tensor([1, 2]), torch.tensor([3])], torch.int64),
    ([torch.tensor([1.0]).half(), torch.tensor([2.0, 3.0]).half()], torch.float16),
    ([[torch.tensor(1), torch.tensor(2)], [torch.tensor(3)]], torch.int64),
    ([[True], [False, True]], torch.bool),
]


class TestPadding:
    """What becomes of ragged columns; the expected values are written by hand, or are those of transformers."""

    def test_each_column_has_its_filling(self):
        """Ids get the tokenizer's id, labels -100, the mask of special tokens 1, all else 0."""
        rows = [
            {
                "input_ids": [5] * n,
                "token_type_ids": [1] * n,
                "attention_mask": [1] * n,
                "special_tokens_mask": [0] * n,
                "decoder_input_ids": [6] * n,
                "word_labels": [7] * n,
                "weights": [0.5] * n,
                "order": [8] * n,
            }
            for n in (2, 1)
        ]

        batch = pad_features(rows, ["order"], pad_token_id=9, pad_token_type_id=3)

        assert {name: tensor[1].tolist() for name, tensor in batch.items()} == {
            "input_ids": [5, 9],
            "token_type_ids": [1, 3],
            "attention_mask": [1, 0],
            "special_tokens_mask": [0, 1],
            "decoder_input_ids": [6, 9],
            "word_labels": [7, -100],
            "weights": [0.5, 0],
            "order": [8, -100],
        }

    def test_the_padding_id_reaches_the_inputs(self):
        """`pad_token_id` fills the ids of a collator too."""
        x, _ = TransformerCollator(pad_token_id=1)(ROWS)

        assert x["input_ids"].tolist() == [[2, 7, 3], [2, 3, 1]]

    def test_no_mask_without_need(self):
        """Ids of one length need no mask; a mask that is there is kept."""
        assert list(pad_features([{"input_ids": [2, 3]}, {"input_ids": [2, 4]}])) == ["input_ids"]
        rows = [{"input_ids": [2, 3], "attention_mask": [0, 1]}, {"input_ids": [4], "attention_mask": [1]}]
        assert pad_features(rows)["attention_mask"].tolist() == [[0, 1], [1, 0]]

    def test_ragged_in_two_dimensions(self):
        """Lists of lists are padded in every dimension, as are the choices of multiple choice."""
        rows = [{"input_ids": [[2, 7, 3], [2]], "labels": [[1.5]]}, {"input_ids": [[2, 3]], "labels": [[1, 2], [3]]}]

        batch = pad_features(rows)

        assert batch["input_ids"].tolist() == [[[2, 7, 3], [2, 0, 0]], [[2, 3, 0], [0, 0, 0]]]
        assert batch["attention_mask"].tolist() == [[[1, 1, 1], [1, 1, 1]], [[1, 1, 0], [0, 0, 0]]]
        assert batch["labels"].tolist() == [[[1.5, -100], [-100, -100]], [[1, 2], [3, -100]]]

    def test_empty_lists(self):
        """A row without labels is all padding, and the labels stay integers."""
        batch = pad_features([{"input_ids": [2], "labels": []}, {"input_ids": [3], "labels": [1, 0]}])

        assert batch["labels"].tolist() == [[-100, -100], [1, 0]]
        assert batch["labels"].dtype == torch.int64

    def test_only_empty_lists(self):
        """A batch whose rows are all without labels has labels of width 0."""
        batch = pad_features([{"input_ids": [2], "labels": []}] * 2)

        assert batch["labels"].shape == (2, 0)
        assert batch["labels"].dtype == torch.int64

    @pytest.mark.parametrize(("values", "dtype"), DTYPES, ids=range(len(DTYPES)))
    def test_types(self, values, dtype):
        """Integers become int64, Python's floats float32; arrays and tensors of floats keep their type."""
        assert pad_features([{"column": value} for value in values])["column"].dtype == dtype

    def test_bool_labels(self):
        """Labels that are bool become integers, since they may have to hold -100."""
        batch = pad_features([{"input_ids": [2], "label": True}, {"input_ids": [3], "label": False}])

        assert plain(batch) == {"input_ids": [[2], [3]], "labels": [1, 0]}
        assert batch["labels"].dtype == torch.int64

    def test_any_mapping(self):
        """Rows may be any Mapping."""
        assert plain(pad_features([UserDict(row) for row in ROWS])) == OWN

    def test_rows_are_left_as_they_were(self):
        """Padding changes nothing in the rows."""
        rows = [{"input_ids": [2, 7, 3], "label": 1}, {"input_ids": [2], "label": 0}]

        TransformerCollator("labels", remove_labels=True)(rows)

        assert rows == [{"input_ids": [2, 7, 3], "label": 1}, {"input_ids": [2], "label": 0}]


EQUAL_LENGTHS = [
    [{"input_ids": [2, 7], "label": 1}, {"input_ids": [2, 3], "label": 0}],
    [{"input_ids": [2, 7], "label": 1.5}, {"input_ids": [2, 3], "label": 0.0}],
    [{"input_ids": [2, 7], "label": True}, {"input_ids": [2, 3], "label": False}],
    [{"input_ids": [2, 7], "label_ids": [1, 0]}, {"input_ids": [2, 3], "label_ids": [0, 1]}],
    [{"input_ids": [2, 7], "labels": [1.0, 0.0]}, {"input_ids": [2, 3], "labels": [0.0, 1.0]}],
    [{"input_ids": torch.tensor([2, 7]), "label": torch.tensor(1)}] * 2,
    [{"input_ids": torch.tensor([2, 7]), "label_ids": torch.tensor([1, 2])}] * 2,
    [{"input_ids": np.array([2, 7]), "weight": np.array([0.5])}] * 2,
    [{"input_ids": [2, 7], "label": None, "text": "a text", "idx": 3}] * 2,
]


class TestAgainstTransformers:
    """The same tensors as the collators of transformers give, where those can be used."""

    @pytest.mark.parametrize("rows", EQUAL_LENGTHS, ids=range(len(EQUAL_LENGTHS)))
    def test_default_data_collator(self, rows):
        """Rows of one length give what `default_data_collator` gives."""
        equal(pad_features(rows), default_data_collator(rows))

    def test_label_and_labels(self):
        """Where both are, "labels" is the label."""
        rows = [{"input_ids": [2], "label": 1, "labels": 5}]

        equal(pad_features(rows), default_data_collator(rows))

    def test_data_collator_with_padding(self, tiny_bert, texts_and_labels):
        """Ragged rows give what `DataCollatorWithPadding` gives."""
        tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
        rows = [{**tokenizer(text), "label": index} for index, text in enumerate(texts_and_labels[0][:7])]

        equal(pad_features(rows, pad_token_id=tokenizer.pad_token_id), dict(DataCollatorWithPadding(tokenizer)(rows)))

    def test_data_collator_for_token_classification(self, tiny_roberta):
        """Ragged labels give what `DataCollatorForTokenClassification` gives; the padding id is not 0 here."""
        tokenizer = AutoTokenizer.from_pretrained(tiny_roberta)
        encoded = [tokenizer(text) for text in ("a great film", "a film")]
        rows = [{**row, "labels": list(range(len(row["input_ids"])))} for row in encoded]
        collate = DataCollatorForTokenClassification(tokenizer)

        equal(pad_features(rows, pad_token_id=tokenizer.pad_token_id), dict(collate(rows)))

    def test_a_collator_of_transformers_as_custom_collator(self, tiny_bert):
        """`DataCollatorWithPadding` may do the padding; a plain dict comes out."""
        tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
        rows = [{**tokenizer("a great film"), "label": 1}, {**tokenizer("film"), "label": 0}]

        x, y = TransformerCollator("label", DataCollatorWithPadding(tokenizer), remove_labels=True)(rows)

        assert type(x) is dict
        assert set(x) == {"input_ids", "token_type_ids", "attention_mask"}
        assert y.tolist() == [1, 0]


TEXTS = [
    {"input_ids": [2], "text": "one", "words": ["a", "b"], "note": None, "label": 1},
    {"input_ids": [3], "text": "two", "words": ["c"], "note": None, "label": 0},
]


class TestTexts:
    """Columns that hold no numbers."""

    def test_left_out_and_said_once(self):
        """They are left out; one warning per collator names them."""
        collate = TransformerCollator("labels")

        with pytest.warns(UserWarning, match="leaves out the columns 'text', 'words', 'note': they hold no numbers"):
            x, _ = collate(TEXTS)
        with warnings.catch_warnings(action="error"):
            again, _ = collate(TEXTS)

        assert list(x) == list(again) == ["input_ids", "labels"]

    def test_two_workers_say_it_once(self, recwarn):
        """Of many worker processes only the first one speaks, and the main process does not."""
        collate = TransformerCollator("labels")

        batches = list(DataLoader(TEXTS, batch_size=1, collate_fn=collate, num_workers=2))

        assert [list(x) for x, _ in batches] == [["input_ids", "labels"]] * 2
        assert not [warning for warning in recwarn if "leaves out" in str(warning.message)]

    def test_only_the_first_worker_speaks(self, monkeypatch, recwarn):
        """A worker process behind the first one leaves the columns out in silence."""
        monkeypatch.setattr("keraslike.data.loader.get_worker_info", lambda: type("Info", (), {"id": 1}))

        TransformerCollator("labels")(TEXTS)

        assert not recwarn.list

    def test_asked_for(self):
        """A column of texts cannot be a target."""
        with (
            pytest.warns(UserWarning, match="'text'"),
            pytest.raises(DataError, match="asks for 'text', but no column of numbers"),
        ):
            TransformerCollator("text")(TEXTS)


class TestRowsThatDoNotFit:
    """What cannot be made a batch is named with its row and column."""

    def test_no_rows(self):
        """A batch of nothing is refused."""
        with pytest.raises(DataError, match="a batch has no rows"):
            pad_features([])

    def test_a_row_that_is_no_dict(self):
        """Rows that nobody tokenised are refused with the line that tokenises."""
        with pytest.raises(DataError, match=r"row 1 of a batch is a tuple[\s\S]*tokenizer\(rows\['text'\]\)"):
            pad_features([{"input_ids": [2]}, ([2], 1)])

    def test_other_columns(self):
        """All rows have the columns of the first."""
        with pytest.raises(DataError, match=r"row 1 [\s\S]*columns input_ids, label\.[\s\S]*row 0: input_ids\."):
            pad_features([{"input_ids": [2]}, {"input_ids": [2], "label": 1}])

    def test_a_label_that_is_none(self):
        """A number in one row and None in another is no column."""
        with pytest.raises(DataError, match=r"column 'label' has None in row 1 of a batch, but 1 \(int\) in row 0"):
            pad_features([{"input_ids": [2], "label": 1}, {"input_ids": [2], "label": None}])

    def test_numbers_and_lists(self):
        """A number in one row and a list in another is no column either."""
        with pytest.raises(DataError, match=r"column 'labels' has values of the shapes \[\(\), \(2,\)\] in one batch"):
            pad_features([{"labels": 1}, {"labels": [1, 2]}])

    def test_a_list_with_a_text_in_it(self):
        """A text behind numbers is found when the tensor is made."""
        with pytest.raises(DataError, match=r"column 'labels' cannot be made a tensor in row 1 of a batch"):
            pad_features([{"labels": [1, 2]}, {"labels": [1, "two"]}])


@pytest.mark.parametrize("y_keys", ["label", ["labels"], ["labels", "input_ids"]])
@pytest.mark.parametrize("remove_labels", [False, True])
def test_a_plain_poutyne_model(tiny_bert, texts_and_labels, y_keys, remove_labels):
    """Collator, wrapper, metric and loss train a plain `poutyne.Model` to tell the texts apart."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    texts, labels = texts_and_labels
    rows = [{**tokenizer(text), "label": int(label == "good")} for text, label in zip(texts, labels, strict=True)]
    loader = DataLoader(rows, batch_size=8, collate_fn=TransformerCollator(y_keys, remove_labels=remove_labels))
    network = ModelWrapper(AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2))
    y_key = None if isinstance(y_keys, str) else "labels"
    loss = MetricWrapper(torch.nn.functional.cross_entropy, y_key=y_key) if remove_labels else model_loss
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    model = poutyne.Model(network, optimizer, loss, batch_metrics=[MetricWrapper("accuracy", y_key=y_key)])

    history = model.fit_generator(loader, epochs=4, verbose=False)

    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert history[-1]["acc"] > 90
