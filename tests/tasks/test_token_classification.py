"""Token classification: words to pieces and back, whatever the container, the tokenizer and the length."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from seqeval.metrics import f1_score
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, RobertaConfig, RobertaModel, RobertaTokenizer

from keraslike import Model
from keraslike.errors import ArgumentError, DataError, LabelError
from keraslike.tasks import TokenClassification
from keraslike.tasks.feed import Feed
from tests.engine.loops import weights_of
from tests.tasks.cases.token_classification import TAGS, TEXTS, WORDS

NAMES = ["B-bad", "B-good", "O"]


def built(directory: Path, words: Any = WORDS, tags: Any = TAGS, **options: Any) -> TokenClassification:
    """Give a task that has learned and loaded its network, and has noted nothing."""
    max_length = options.pop("max_length", None)
    task = TokenClassification(**options)
    task.learn(Feed(task).read(words, tags))
    task.build(str(directory), max_length=max_length)
    task.notes.clear()
    return task


def encoded(task: TokenClassification, words: Any = WORDS, tags: Any = TAGS) -> list[Any]:
    return list(task.encode_rows(Feed(task).read(words, tags)))


def fitted(directory: Path, x: Any = WORDS, y: Any = TAGS, task: Any = "token-classification", **options: Any) -> Model:
    chosen = {"epochs": 1, "batch_size": 8, "seed": 3, "verbose": 0} | options
    model = Model(str(directory), task=task, device="cpu")
    model.fit(x, y, **chosen)
    return model


# Three lines


def test_three_lines(tiny_bert: Path):
    """Lists of words and lists of tags are enough to learn from; one label comes out for each word."""
    model = Model(str(tiny_bert), task="token-classification", device="cpu")
    model.fit(WORDS, TAGS, epochs=12, learning_rate=5e-3, seed=0, verbose=0)
    found = model.predict(WORDS)

    right = sum(tag == true for row, tags in zip(found, TAGS, strict=True) for tag, true in zip(row, tags, strict=True))
    assert [len(row) for row in found] == [len(words) for words in WORDS]
    assert right / sum(map(len, TAGS)) > 0.95
    assert model.labels == NAMES


# Every container


def containers(folder: Path) -> dict[str, Any]:
    """Give the same rows in other forms, and write the files."""
    columns = {"tokens": WORDS, "ner_tags": TAGS}
    kinds = Features(tokens=List(Value("string")), ner_tags=List(ClassLabel(names=["O", "B-good", "B-bad"])))
    ids = [[["O", "B-good", "B-bad"].index(tag) for tag in tags] for tags in TAGS]
    lines = [
        "".join(f"{word}\t{tag}\n" for word, tag in zip(*pair, strict=True)) for pair in zip(WORDS, TAGS, strict=True)
    ]
    (folder / "a.conll").write_text("\n".join(lines))
    rows = [dict(zip(columns, pair, strict=True)) for pair in zip(WORDS, TAGS, strict=True)]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {
        "pairs": list(zip(WORDS, TAGS, strict=True)),
        "dict": columns,
        "class labels": Dataset.from_dict({"tokens": WORDS, "ner_tags": ids}, kinds),
        "conll": str(folder / "a.conll"),
        "jsonl": str(folder / "a.jsonl"),
        "splits": DatasetDict(train=Dataset.from_dict(columns)),
    }


@pytest.mark.parametrize("kind", ["pairs", "dict", "class labels", "conll", "jsonl", "splits"])
def test_same_weights_from_any_container(kind: str, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The container changes no bit, and names come back."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    expected = fitted(tiny_bert)

    model = fitted(tiny_bert, containers(tmp_path)[kind], None)

    assert torch.equal(weights_of(model.network), weights_of(expected.network))
    assert model.labels == NAMES
    assert {label for row in model.predict(WORDS) for label in row} <= set(NAMES)


def test_files_of_several_kinds(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A model that learned from a CoNLL file measures JSON lines, and the other way round."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    files = containers(tmp_path)

    of_conll = fitted(tiny_bert, files["conll"], None, validation_data=files["jsonl"])
    of_lines = fitted(tiny_bert, files["jsonl"], None, validation_data=files["conll"])

    assert of_conll.evaluate(files["jsonl"], verbose=0) == of_lines.evaluate(files["conll"], verbose=0)
    assert of_conll.predict(Path(files["conll"])) == of_conll.predict(WORDS)


def test_a_conll_file_is_not_copied(tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Nothing is said of copies in the cache of `datasets`: there are none."""
    fitted(tiny_bert, containers(tmp_path)["conll"], None, verbose=2)

    assert "Arrow" not in capsys.readouterr().out


def test_columns_of_a_conll_file(tiny_bert: Path, tmp_path: Path):
    """`text=` and `target=` are numbers there, and are remembered."""
    path = tmp_path / "a.txt"
    path.write_text("O a DET\nB-good great ADJ\n\nO film NOUN\n")

    model = fitted(tiny_bert, str(path), None, text=1, target=0)

    assert model.labels == ["B-good", "O"]
    assert model.predict(path) == model.predict([["a", "great"], ["film"]])
    assert model.evaluate({"dev": str(path)}, verbose=0)["dev_loss"] == model.evaluate(path, verbose=0)["loss"]


def test_ids_come_back_as_ids(tiny_bert: Path):
    """Labels that are numbers stay numbers."""
    ids = [[NAMES.index(tag) for tag in tags] for tags in TAGS]

    model = fitted(tiny_bert, WORDS, ids)

    assert model.labels == [0, 1, 2]
    assert {type(label) for row in model.predict(WORDS) for label in row} == {int}


def test_loader_of_rows(tiny_bert: Path):
    """A DataLoader of dicts keeps its order, and trains as the rows do."""
    rows = [{"tokens": words, "tags": tags} for words, tags in zip(WORDS, TAGS, strict=True)]
    expected = fitted(tiny_bert, shuffle=False, micro_batch_size=None)

    model = fitted(tiny_bert, DataLoader(rows, batch_size=8, collate_fn=list), None, micro_batch_size=None)

    assert torch.equal(weights_of(model.network), weights_of(expected.network))


def test_stream(tiny_bert: Path):
    """A stream needs its labels beforehand; the ids of its classes are names."""
    kinds = Features(tokens=List(Value("string")), ner_tags=List(ClassLabel(names=NAMES)))
    ids = [[NAMES.index(tag) for tag in tags] for tags in TAGS]
    stream = Dataset.from_dict({"tokens": WORDS, "ner_tags": ids}, kinds).to_iterable_dataset()
    model = Model(str(tiny_bert), task=TokenClassification(labels=NAMES), device="cpu")

    history = model.fit(stream, epochs=1, verbose=0)

    assert np.isfinite(history[0]["loss"])


# What goes into predict


def test_one_row(tiny_bert: Path):
    """A list of words is one row, a list of such lists several; a string is split at its spaces."""
    model = fitted(tiny_bert)

    several = model.predict(WORDS[:3])

    assert [model.predict(words) for words in WORDS[:3]] == several
    assert [model.predict(tuple(words)) for words in WORDS[:3]] == several
    assert [model.predict(text) for text in TEXTS[:3]] == several
    assert model.predict({"tokens": WORDS[:3]}) == several


@pytest.mark.parametrize(
    "x",
    [["a great film", "a clumsy film"], ["a great film"], ["film", "a great film", "a cast", "Yes", "the plot"]],
    ids=len,
)
def test_a_list_of_texts_is_refused(x: list[str], tiny_bert: Path):
    """Strings most of which have spaces are hardly words, and a list of strings is one row."""
    model = fitted(tiny_bert)

    with pytest.raises(DataError) as error:
        model.predict(x)

    assert str(error.value) == (
        "x is a list of strings with spaces, such as 'a great film', and a list of strings is one row of words.\n"
        "  Expected: a list of words, or a list of such lists.\n"
        "  Do: split texts into words: [text.split() for text in x]."
    )


def test_words_with_spaces_in_them(tiny_bert: Path):
    """In some languages words have spaces: while at least half have none, a list of them is one row."""
    model = fitted(tiny_bert)

    labels = model.predict(["a", "great film", "the cast", "is"])

    assert len(labels) == 4


def test_nothing_to_predict(tiny_bert: Path):
    """An empty list is refused as for other tasks; an empty row has no labels."""
    model = fitted(tiny_bert)

    with pytest.raises(DataError, match="x is empty"):
        model.predict([])

    assert model.predict([[], ["film"]]) == [[], model.predict(["film"])]


def test_probabilities(tiny_bert: Path):
    """`predict_proba` gives an array (words, labels) for each row, whose largest column is the label."""
    model = fitted(tiny_bert)

    rows = model.predict_proba(WORDS[:4])

    assert [row.shape for row in rows] == [(len(words), 3) for words in WORDS[:4]]
    np.testing.assert_allclose(np.concatenate(list(rows)).sum(1), 1, rtol=1e-6)
    assert [[NAMES[place] for place in row.argmax(1)] for row in rows] == model.predict(WORDS[:4])
    alone = model.predict_proba(WORDS[:4], batch_size=1)[1]  # a matrix product's last bits may hang on its shape
    np.testing.assert_array_equal(model.predict_proba(WORDS[1]), alone)
    np.testing.assert_allclose(alone, rows[1], rtol=1e-5)


# Pieces and words


@pytest.mark.parametrize("label_all_pieces", [False, True], ids=["first piece", "all pieces"])
@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "gpt2"])
def test_features_are_the_tokenizers(kind: str, label_all_pieces: bool, request: pytest.FixtureRequest):
    """Inputs are what the tokenizer gives for listed words; the targets are those of the word that it names."""
    directory = request.getfixturevalue(f"tiny_{kind}")
    words = [["a", "zzz", "film"], ["wonderfully", "wonderful"]]
    task = built(directory, words, [["A", "B", "C"], ["B", "A"]], label_all_pieces=label_all_pieces)

    features = encoded(task, words, [["A", "B", "C"], ["B", "A"]])

    expected = AutoTokenizer.from_pretrained(directory)(words, is_split_into_words=True)
    for number, (feature, ids) in enumerate(zip(features, [[0, 1, 2], [1, 0]], strict=True)):
        word_ids = expected.word_ids(number)
        wanted = [
            -100 if word is None or (not label_all_pieces and word in word_ids[:place]) else ids[word]
            for place, word in enumerate(word_ids)
        ]
        assert {name: list(feature[name]) for name in expected} == {name: expected[name][number] for name in expected}
        assert feature["target"].tolist() == wanted


def test_a_thousand_rows_at_once(tiny_bert: Path):
    """Rows beyond one chunk for the tokenizer keep their order and their targets."""
    task = built(tiny_bert)

    features = encoded(task, WORDS * 30, TAGS * 30)

    assert [feature["row"] for feature in features] == list(range(1200))
    assert features[1199]["target"].tolist() == features[39]["target"].tolist()


@pytest.mark.parametrize("label_all_pieces", [False, True], ids=["first piece", "all pieces"])
def test_the_first_piece_answers(label_all_pieces: bool, tiny_bert: Path):
    """The label of a word is read where its first piece stands, in both forms of training."""
    model = fitted(tiny_bert, task=TokenClassification(label_all_pieces=label_all_pieces))
    words = ["zzz", "film", "wonderfully"]

    found = model.predict(words)

    tokens = AutoTokenizer.from_pretrained(tiny_bert)(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        ids = model.network.eval()(dict(tokens))["logits"][0].argmax(-1).tolist()
    word_ids = tokens.word_ids(0)
    assert found == [NAMES[ids[word_ids.index(word)]] for word in range(3)]


STRANGE = [["", "film", "\u200b"], ["\u0000"], ["a"]]


def test_words_without_a_piece(tiny_bert: Path):
    """An empty word, or one of invisible characters, is no entity; it does not count in the loss."""
    model = fitted(tiny_bert)

    found, sure = model.predict(STRANGE), model.predict_proba(STRANGE)

    film, a = model.predict([["film"], ["a"]])
    assert found == [["O", *film, "O"], ["O"], a]
    assert sure[0][0].tolist() == sure[1][0].tolist() == [0, 0, 1]
    task = built(tiny_bert, STRANGE, [["O", "B-bad", "O"], ["O"], ["B-bad"]])
    counted = [int((f["target"] >= 0).sum()) for f in encoded(task, STRANGE, [["O", "B-bad", "O"], ["O"], ["B-bad"]])]
    assert counted == [1, 0, 1]


def test_words_without_a_piece_get_the_commonest_label(tiny_bert: Path, tmp_path: Path):
    """Without an "O" the commonest label of the training data stands in, after loading too."""
    tags = [["NOUN" if len(word) > 4 else "WORD" for word in words] for words in WORDS]
    model = fitted(tiny_bert, WORDS, tags)
    flat = [tag for row in tags for tag in row]

    model.save(tmp_path / "saved")

    commonest = max(set(flat), key=flat.count)
    assert model.predict(["", "\u200b"]) == [commonest] * 2
    assert Model.load(tmp_path / "saved", device="cpu").predict(["", "\u200b"]) == [commonest] * 2


@pytest.mark.parametrize("names", [("ADJ", "NOUN", "VERB"), ("NOUN", "VERB", "ADJ"), ("VERB", "ADJ", "NOUN")])
def test_commonest_label_wherever_its_name_stands(names: tuple[str, str, str]):
    """The commonest label is counted, not taken by its name, nor by where it stands first or last."""
    rare, common, other = names
    task = TokenClassification()

    task.learn(task.read([["a"] * 4, ["a"] * 3], [[rare, common, common, other], [common, other, rare]]))

    assert task.label_without_pieces == common


def test_before_any_training(tiny_bert: Path):
    """A model whose labels are named answers untrained: its first label stands in where there is no "O"."""
    model = Model(str(tiny_bert), task=TokenClassification(labels=["X", "Y"]), device="cpu")

    assert model.predict([""]) == ["X"]


def test_a_row_without_any_token(tiny_gpt2: Path):
    """A tokenizer without special tokens leaves nothing of an empty row, which is trained and answered all the same."""
    model = fitted(tiny_gpt2, [*WORDS, [], [""]], [*TAGS, [], ["O"]])

    assert model.predict([[], ["", "film"], [""]]) == [[], ["O", *model.predict(["film"])], ["O"]]


# Long rows

LONG = [word for words in WORDS for word in words]
LONG_TAGS = [tag for tags in TAGS for tag in tags]


@pytest.mark.parametrize("stride", [0, 3, 10])
@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
def test_windows_are_the_tokenizers(kind: str, stride: int, request: pytest.FixtureRequest):
    """Windows hold what the tokenizer gives with the same limit and stride."""
    directory = request.getfixturevalue(f"tiny_{kind}")
    task = built(directory, max_length=20, stride=stride)

    features = encoded(task, [LONG], [LONG_TAGS])

    expected = AutoTokenizer.from_pretrained(directory)(
        LONG, is_split_into_words=True, truncation=True, max_length=20, stride=stride, return_overflowing_tokens=True
    )
    assert [feature["input_ids"].tolist() for feature in features] == expected["input_ids"]
    assert {feature["row"] for feature in features} == {0}


@pytest.mark.parametrize("label_all_pieces", [False, True], ids=["first piece", "all pieces"])
def test_each_word_counts_once(label_all_pieces: bool, tiny_bert: Path):
    """Over all windows every word has its label once in the loss, or once for each of its pieces."""
    task = built(tiny_bert, max_length=12, label_all_pieces=label_all_pieces)

    features = encoded(task, [LONG], [LONG_TAGS])

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    pieces = [len(tokenizer([word], is_split_into_words=True)["input_ids"]) - 2 for word in LONG]
    wanted = [
        tag for tag, count in zip(LONG_TAGS, pieces, strict=True) for _ in range(count if label_all_pieces else 1)
    ]
    ids = [NAMES[label] for feature in features for label in feature["target"].tolist() if label >= 0]
    assert sorted(ids) == sorted(wanted)
    assert [word for f in features for word in f["words"].tolist() if word >= 0] == list(range(len(LONG)))


def test_long_rows_are_answered_whole(tiny_bert: Path):
    """One label comes out for each word, read in the window that `words` names."""
    model = fitted(tiny_bert, [LONG, *WORDS], [LONG_TAGS, *TAGS])
    task = model.task
    features = encoded(task, [LONG], [LONG_TAGS])

    found = model.predict(LONG)

    by_hand: dict[int, str] = {}
    for feature in features:
        inputs, _ = task.collate([feature])
        with torch.no_grad():
            ids = model.network.eval()(inputs)["logits"][0].argmax(-1).tolist()
        by_hand |= {word: NAMES[label] for word, label in zip(feature["words"].tolist(), ids, strict=True) if word >= 0}
    assert len(features) > 3
    assert found == [by_hand[word] for word in range(len(LONG))]
    assert model.predict_proba([LONG, WORDS[0]])[0].shape == (len(LONG), 3)


def test_windows_are_noted(tiny_bert: Path):
    """The note counts the rows that are too long, and names the longest."""
    task = built(tiny_bert)

    encoded(task, [LONG, *WORDS], [LONG_TAGS, *TAGS])

    tokens = len(AutoTokenizer.from_pretrained(tiny_bert)(LONG, is_split_into_words=True)["input_ids"])
    assert task.notes == [f"1 of 41 rows (2.4 %) are longer than 64 tokens ({tokens} at most): in windows."]


def test_a_quarter_overlaps(tiny_bert: Path):
    """Without a stride windows have a quarter of what they hold in common."""
    task = built(tiny_bert, max_length=18)

    first, second = (f["input_ids"][1:-1].tolist() for f in encoded(task, [LONG], [LONG_TAGS])[:2])

    assert first[-4:] == second[:4]
    assert len(first) == 16


# Tokenizers


@pytest.fixture
def byte_level(tmp_path: Path) -> Path:
    """A RoBERTa whose tokenizer, as the real one, takes a word without a space before it for part of another."""
    start = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        [f" {text}" for text in TEXTS],
        trainers.BpeTrainer(vocab_size=500, special_tokens=start, initial_alphabet=alphabet, show_progress=False),
    )
    known = json.loads(backend.to_str())["model"]
    tokenizer = RobertaTokenizer(vocab=known["vocab"], merges=[tuple(pair) for pair in known["merges"]])
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=66, type_vocab_size=1, **sizes)
    RobertaModel(config).save_pretrained(tmp_path / "roberta")
    tokenizer.save_pretrained(tmp_path / "roberta")
    return tmp_path / "roberta"


def test_spaces_between_words_are_kept(byte_level: Path, tmp_path: Path):
    """Words have the pieces that they have in a text, behind a space, and keep them in the saved model."""
    model = fitted(byte_level)

    model.save(tmp_path / "saved")

    inside = AutoTokenizer.from_pretrained(byte_level)(f" {TEXTS[2]}")["input_ids"]
    again = Model.load(tmp_path / "saved", device="cpu")
    assert encoded(model.task)[2]["input_ids"].tolist() == encoded(again.task)[2]["input_ids"].tolist() == inside
    assert again.predict(WORDS) == model.predict(WORDS)


def test_a_tokenizer_that_leaves_spaces_out(byte_level: Path):
    """A tokenizer that was given ready-made stays as it is; the way out is noted."""
    task = TokenClassification(labels=NAMES)

    task.build(str(byte_level), tokenizer=AutoTokenizer.from_pretrained(byte_level))

    assert any("add_prefix_space=True" in note for note in task.notes)


def test_a_tokenizer_without_words(tiny_bert: Path):
    """A tokenizer that does not tell the word of a piece is refused."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)

    class Slow:
        is_fast = False
        pad_token = "[PAD]"
        model_max_length = 64

    with pytest.raises(ArgumentError) as error:
        Model(str(tiny_bert), task=TokenClassification(labels=NAMES), tokenizer=Slow())

    assert tokenizer.is_fast
    assert str(error.value) == (
        "the tokenizer is a Slow, which does not tell the word of a piece.\n"
        "  Expected: a fast tokenizer (tokenizer.is_fast is True).\n"
        "  Do: take a model whose tokenizer has a tokenizer.json."
    )


# Metrics, weights, options


def test_entities_are_measured(tiny_bert: Path):
    """Tags of entities bring entity F1, precision and recall, seqeval's of what predict gives."""
    model = fitted(tiny_bert, epochs=6, learning_rate=5e-3, validation_split=0.25)

    measured = model.evaluate(WORDS, TAGS, verbose=0)

    assert set(measured) == {"loss", "accuracy", "entity_f1", "entity_precision", "entity_recall"}
    assert measured["entity_f1"] == pytest.approx(f1_score(TAGS, model.predict(WORDS)), rel=1e-12)
    assert measured["entity_f1"] > 0
    assert {"accuracy", "val_accuracy", "val_entity_f1"} <= set(model.history[0])


def test_other_labels_have_an_accuracy(tiny_bert: Path):
    """Parts of speech are measured by the share of words that are right."""
    tags = [["NOUN" if len(word) > 4 else "WORD" for word in words] for words in WORDS]
    model = fitted(tiny_bert, WORDS, tags)

    measured = model.evaluate(WORDS, tags, verbose=0)

    pairs = [pair for rows in zip(model.predict(WORDS), tags, strict=True) for pair in zip(*rows, strict=True)]
    assert set(measured) == {"loss", "accuracy"}
    assert measured["accuracy"] == pytest.approx(np.mean([found == true for found, true in pairs]), rel=1e-12)


def test_labels_named_at_the_start(tiny_bert: Path):
    """Labels named in `Model` keep their order, and the network is built at once."""
    model = Model(str(tiny_bert), task="token-classification", labels=["O", "B-good", "B-bad"], device="cpu")

    assert model.network.config.id2label == {0: "O", 1: "B-good", 2: "B-bad"}
    assert model.task.metrics[0] == "entity_f1"


@pytest.mark.parametrize("stride", [-1, 2.5, True, "8"])
def test_strides(stride: Any):
    """A stride is a number of pieces."""
    with pytest.raises(ArgumentError, match=r"stride=.*no number of pieces\.\n  Expected: an int, 0 or more"):
        TokenClassification(stride=stride)


@pytest.mark.parametrize(("max_length", "stride", "room"), [(2, None, 0), (12, 10, 10), (1, None, 0)])
def test_windows_without_room(max_length: int, stride: int | None, room: int, tiny_bert: Path):
    """Windows have to hold more than they have in common, which is told before training."""
    task = TokenClassification(stride=stride, labels=NAMES)

    with pytest.raises(ArgumentError) as error:
        Model(str(tiny_bert), task=task, max_length=max_length)

    assert str(error.value) == (
        f"max_length={max_length} leaves room for {room} pieces of words in a window, and stride={stride}.\n"
        "  Expected: more pieces in a window than it has in common with the one before.\n"
        "  Do: give a larger max_length, or a smaller stride."
    )


@pytest.mark.parametrize("nothing", [None, -100])
def test_words_without_a_label(nothing: Any, tiny_bert: Path):
    """None, or -100, is no label: such a word counts neither in the loss nor in any metric, and is answered."""
    rows = [(number, place) for number, tags in enumerate(TAGS) for place in range(len(tags)) if (number + place) % 3]
    holed = [
        [tag if (row, place) in rows else nothing for place, tag in enumerate(tags)] for row, tags in enumerate(TAGS)
    ]
    model = fitted(tiny_bert, WORDS, holed)

    values = model.evaluate(WORDS, holed, verbose=0)

    found = [[tags[place] for row, place in rows if row == number] for number, tags in enumerate(model.predict(WORDS))]
    truth = [[tags[place] for row, place in rows if row == number] for number, tags in enumerate(TAGS)]
    probabilities = model.predict_proba(WORDS)
    own = [probabilities[row][place, NAMES.index(TAGS[row][place])] for row, place in rows]
    assert model.labels == NAMES
    assert values["entity_f1"] == pytest.approx(f1_score(truth, found), abs=1e-12)
    assert values["loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    right = [a == b for pair in zip(found, truth, strict=True) for a, b in zip(*pair, strict=True)]
    assert values["accuracy"] == pytest.approx(np.mean(right))


# Labels that do not fit


def test_an_unknown_label(tiny_bert: Path):
    """A label that was not there in training is named with its row and its word."""
    model = fitted(tiny_bert)

    with pytest.raises(LabelError) as error:
        model.evaluate([["a"], ["a", "film"]], [["O"], ["O", "B-godo"]], verbose=0)

    assert str(error.value) == (
        "row 1 (counted from 0) has the unknown label 'B-godo' for its word 'film'.\n"
        "  Expected: one of 'B-bad', 'B-good', 'O'.\n  Do: did you mean 'B-good'?"
    )


def test_labels_of_two_kinds(tiny_bert: Path):
    """Strings and numbers among the labels are named with their rows, before anything is trained."""
    with pytest.raises(LabelError) as error:
        fitted(tiny_bert, [["a"], ["a", "film"]], [["O"], ["O", 3]])

    assert str(error.value) == (
        "the labels are of kinds that do not go together: 'O' in row 0 (a str) and 3 in row 1 (an int).\n"
        "  Expected: all str, or all numbers (rows are counted from 0).\n"
        "  Do: make strings of them: [[str(label) for label in row] for row in y]."
    )


def test_no_word_at_all(tiny_bert: Path):
    """Rows without any word, or any label, teach nothing."""
    with pytest.raises(DataError, match="no row has a word with a label"):
        fitted(tiny_bert, [[], []], [[], []])
    with pytest.raises(DataError, match="no row has a word with a label"):
        fitted(tiny_bert, [["a"], ["film"]], [[None], [-100]])


def test_one_label_only(tiny_bert: Path):
    """One label alone is nothing to tell apart."""
    with pytest.raises(LabelError, match="one label only: 'O'"):
        fitted(tiny_bert, [["a"], ["film"]], [["O"], ["O"]])


def test_labels_of_a_later_fit(tiny_bert: Path):
    """A later fit brings no new label."""
    model = fitted(tiny_bert)

    with pytest.raises(LabelError, match=r"labels that the model does not know: \['B-fair'\]"):
        model.fit([["film"]], [["B-fair"]], verbose=0)
