"""From text to text: what the decoder learns from, what is written, and what it is held against."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tokenizers.processors import Sequence
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BertConfig,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
)

import keraslike
from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.metrics import bleu, chrf
from keraslike.tasks import Text2Text
from keraslike.tasks.decoding import end_to_add
from keraslike.tasks.feed import Feed
from tests.engine.loops import weights_of
from tests.tasks.seq2seq_by_hand import SEED, fine_tune_by_hand, gradients, seed_all
from tests.tiny import MAX_LENGTH, WIDTH, make_sequence_tokenizer, texts_with_labels

TEXTS = texts_with_labels()[0]
REVERSED = [" ".join(text.split()[::-1]) for text in TEXTS]
BODIES = ["tiny_t5", "tiny_bart"]


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """The directory of the tiny model whose fixture is named."""
    found: Path = request.getfixturevalue(request.param)
    return found


each_body = pytest.mark.parametrize("folder", BODIES, indirect=True)


def task_of(source: Any, tokenizer: Any = None, **options: Any) -> tuple[Text2Text, Any]:
    """Give a task with its network, in evaluation mode."""
    task = Text2Text(**options)
    return task, task.build(str(source) if isinstance(source, Path) else source, tokenizer=tokenizer).eval()


def features_of(task: Text2Text, x: Any, y: Any = None) -> list[Any]:
    """Encode rows."""
    return list(task.encode_rows(Feed(task).read(x, y, has_target=y is not None)))


def networks() -> dict[str, Any]:
    """Give a network of each kind, with a bias beside the logits that is not 0."""
    tokenizer = make_sequence_tokenizer()
    ids: dict[str, Any] = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1, "vocab_size": len(tokenizer)}
    layers = {f"{side}_{what}": 1 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 64, **layers}
    bert = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=0, **WIDTH)
    pair = EncoderDecoderConfig.from_encoder_decoder_configs(bert, bert)
    pair.decoder_start_token_id = pair.eos_token_id = 1
    pair.pad_token_id = 0
    made = {
        "marian": MarianMTModel(MarianConfig(**ids, **sizes, decoder_start_token_id=0, forced_eos_token_id=None)),
        "mbart": MBartForConditionalGeneration(MBartConfig(**ids, **sizes)),
        "two berts": EncoderDecoderModel(pair),
    }
    for network in made.values():
        for buffer in (buffer for name, buffer in network.named_buffers() if name.endswith("final_logits_bias")):
            buffer.copy_(torch.randn(buffer.shape, generator=torch.Generator().manual_seed(1)))
    return made


# Three lines, bits, saved and loaded


@each_body
def test_three_lines(folder: Path):
    """Texts and their targets are learned from, measured by BLEU and chrF, and a text gives a text."""
    model = Model(str(folder), task="text2text", device="cpu")
    history = model.fit(TEXTS[:16], REVERSED[:16], validation_split=0.25, epochs=1, seed=0, verbose=0)
    answer = model.predict("a great film")

    assert set(history[0]) == {"epoch", "time", "loss", "val_loss", "val_bleu", "val_chrf"}
    assert isinstance(answer, str)


def test_learns_to_copy(tiny_t5: Path):
    """A few texts are learned until they are written word by word."""
    task = Text2Text(max_new_tokens=20)
    model = Model(str(tiny_t5), task=task, device="cpu")

    model.fit(TEXTS[:8], TEXTS[:8], epochs=150, batch_size=8, learning_rate=1e-2, seed=0, verbose=0)

    assert model.predict(TEXTS[:8]) == TEXTS[:8]
    assert model.evaluate(TEXTS[:8], TEXTS[:8], verbose=0)["chrf"] == 1.0


@each_body
def test_twenty_updates_have_the_bits_of_a_loop_by_hand(folder: Path):
    """Tokenizer, Auto class, the head's own loss, AdamW, schedule and clipping by hand give the same weights."""
    seed_all()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    by_hand = AutoModelForSeq2SeqLM.from_pretrained(folder)

    def inputs_of(rows: torch.Tensor) -> Any:
        inputs = tokenizer([TEXTS[row] for row in rows], padding=True, return_tensors="pt")
        labels = tokenizer(text_target=[REVERSED[row] for row in rows], padding=True, return_tensors="pt")["input_ids"]
        return {**inputs, "labels": labels.masked_fill(labels == tokenizer.pad_token_id, -100)}

    fine_tune_by_hand(by_hand, inputs_of, len(TEXTS), epochs=4)
    model = Model(str(folder), task="text2text", device="cpu")
    model.fit(TEXTS, REVERSED, epochs=4, batch_size=8, micro_batch_size=None, seed=SEED, verbose=0)

    assert len(model.history.learning_rates) == 20
    assert torch.equal(weights_of(model.network), weights_of(by_hand))


@each_body
def test_saved_and_loaded(folder: Path, tmp_path: Path):
    """What is saved answers alike in keraslike, and by `generate` of the Auto class."""
    model = Model(str(folder), task=Text2Text("say: ", max_new_tokens=9, num_beams=2), device="cpu")
    model.fit(TEXTS, REVERSED, epochs=1, learning_rate=5e-3, seed=0, verbose=0)
    model.save(tmp_path / "saved")

    again = keraslike.load(tmp_path / "saved", device="cpu")

    texts = TEXTS[:6]
    assert again.predict(texts) == model.predict(texts)
    network = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "saved")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    inputs = tokenizer([f"say: {text}" for text in texts], padding=True, return_tensors="pt")
    written = network.generate(**inputs, max_new_tokens=9, num_beams=2, do_sample=False)
    assert model.predict(texts) == tokenizer.batch_decode(written, skip_special_tokens=True)


# The loss


@each_body
def test_loss_is_the_heads(folder: Path):
    """From the logits comes the loss that the head computes itself, padding left out."""
    task, network = task_of(folder)
    inputs, targets = task.collate(features_of(task, TEXTS[::5], REVERSED[::5]))
    sources = {name: tensor for name, tensor in inputs.items() if name != "decoder_input_ids"}

    loss = task.loss.mean(task.read_outputs(network(**inputs)), targets)

    assert (targets == -100).any()
    assert loss.item() == pytest.approx(network(**sources, labels=targets).loss.item(), abs=1e-6)


@pytest.mark.filterwarnings("ignore:Version v4.12.0:FutureWarning")  # of two BERTs, whenever there are labels
@pytest.mark.parametrize("name", ["marian", "mbart", "two berts"])
def test_loss_is_the_heads_of_other_models(name: str):
    """So it is where the decoder begins with another token, and where a bias is added to the logits."""
    task, network = task_of(networks()[name], make_sequence_tokenizer())
    inputs, targets = task.collate(features_of(task, TEXTS[::5], REVERSED[::5]))
    sources = {key: tensor for key, tensor in inputs.items() if key != "decoder_input_ids"}

    loss = task.loss.mean(task.read_outputs(network(**inputs)), targets)

    assert loss.item() == pytest.approx(network(**sources, labels=targets).loss.item(), abs=1e-6)


@each_body
@pytest.mark.parametrize("size", [1, 4, 5, "auto"])
def test_micro_batches_have_the_gradient_of_the_batch(folder: Path, size: Any):
    """However a batch is cut, the gradient is that of the head's loss of the whole: 1e-10 in float64, no dropout."""
    sources = [f"{text} " * (1 + 3 * (row % 4 == 1)) for row, text in enumerate(TEXTS[:14])]
    targets = [text if row % 3 else "a" for row, text in enumerate(REVERSED[:14])]
    config = {"dropout_rate": 0.0} if "t5" in folder.name else {"dropout": 0.0}
    whole, cut = (AutoModelForSeq2SeqLM.from_pretrained(folder, **config).double() for _ in range(2))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    task, _ = task_of(whole, tokenizer)
    inputs, labels = task.collate(features_of(task, sources, targets))
    inputs.pop("decoder_input_ids")
    whole.train()(**inputs, labels=labels).loss.backward()

    model = Model(cut, "sgd", task=Text2Text(), metrics=[], tokenizer=tokenizer, device="cpu")
    model.optimizer.zero_grad = lambda *args, **kwargs: None  # the gradient of the only step stays
    model.fit(
        sources, targets, epochs=1, batch_size=14, micro_batch_size=size, learning_rate=1e-9, clip_norm=None, verbose=0
    )

    expected = gradients(whole)
    assert (gradients(cut) - expected).abs().max() <= 1e-10 * expected.abs().max()


# What goes in


def test_the_decoder_sees_the_target_one_place_later(tiny_t5: Path):
    """Targets are the tokens with their end, -100 behind it; the decoder begins with its own first token."""
    task, _ = task_of(tiny_t5)
    tokenizer = AutoTokenizer.from_pretrained(tiny_t5)

    inputs, targets = task.collate(features_of(task, ["film", "a"], ["a great film", "film"]))

    long, short = tokenizer("a great film").input_ids, tokenizer("film").input_ids
    assert targets.tolist() == [long, [*short, -100, -100]]
    assert inputs["decoder_input_ids"].tolist() == [[0, *long[:-1]], [0, *short, 0]]
    assert set(inputs) == {"input_ids", "attention_mask", "decoder_input_ids"}


def test_mbart_begins_with_the_last_token():
    """Where a model turns the target's last token, its language, to the front, so does the task."""
    task, network = task_of(networks()["mbart"], make_sequence_tokenizer())

    inputs, targets = task.collate(features_of(task, ["film", "a"], ["a great film", "film"]))

    turned = network.prepare_decoder_input_ids_from_labels(labels=targets.clone())
    assert torch.equal(inputs["decoder_input_ids"], turned)


def test_length_counts_source_and_target(tiny_t5: Path):
    """What is padded on both sides is what a part costs; to predict, the source alone counts."""
    task, _ = task_of(tiny_t5)

    learned = features_of(task, ["a great film"], ["film"])
    predicted = features_of(task, ["a great film"])

    assert [feature["length"] for feature in learned] == [4 + 2]
    assert "length" not in predicted[0]


def test_prefix_stands_before_every_source(tiny_t5: Path):
    """The prefix is part of the source, when learning and when predicting."""
    task, _ = task_of(tiny_t5, prefix="a story : ")
    tokenizer = AutoTokenizer.from_pretrained(tiny_t5)

    learned, predicted = features_of(task, ["film"], ["a"])[0], features_of(task, ["film"])[0]

    assert list(learned["input_ids"]) == list(predicted["input_ids"]) == tokenizer("a story : film").input_ids
    assert list(learned["target"]) == tokenizer("a").input_ids


def test_long_texts_are_cut_and_counted(tiny_t5: Path):
    """Sources are cut at the model's limit, targets at theirs, both with their end, and both are said."""
    task, _ = task_of(tiny_t5, max_target_length=3)

    features = features_of(task, ["film " * 80, "film"], ["a", "a great film"])

    assert len(features[0]["input_ids"]) == MAX_LENGTH
    assert list(features[1]["target"]) == [*task.tokenizer("a great").input_ids]
    assert task.notes == [
        "1 of 2 texts (50.0 %) were cut at 64 tokens; 81 would keep all.",
        "1 of 2 targets (50.0 %) were cut at 3 tokens; 4 would keep all.",
    ]


CONTAINERS: dict[str, Any] = {
    "x and y": lambda: (["one", "two"], ["eins", "zwei"]),
    "a tuple of columns": lambda: ((["one", "two"], ["eins", "zwei"]), None),
    "pairs": lambda: ([("one", "eins"), ("two", "zwei")], None),
    "generator of pairs": lambda: ((pair for pair in [("one", "eins"), ("two", "zwei")]), None),
    "article and highlights": lambda: ({"article": ["one", "two"], "highlights": ["eins", "zwei"], "id": [1, 2]}, None),
    "document and summary": lambda: (
        Dataset.from_dict({"document": ["one", "two"], "summary": ["eins", "zwei"]}),
        None,
    ),
    "dicts": lambda: ([{"input": "one", "output": "eins"}, {"input": "two", "output": "zwei"}], None),
    "column and y": lambda: ({"source": ["one", "two"]}, ["eins", "zwei"]),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_reads_containers(name: str):
    """The same rows come from every container."""
    rows = Text2Text().read(*CONTAINERS[name]())

    assert [rows[0], rows[1]] == [{"text": "one", "target": "eins", **_rest(rows, 0)}, rows[1]]
    assert (list(rows.column("text")), list(rows.column("target"))) == (["one", "two"], ["eins", "zwei"])


def _rest(rows: Any, number: int) -> dict[str, Any]:
    return {name: value for name, value in rows[number].items() if name not in ("text", "target")}


NESTED = {"id": ["1", "2"], "translation": [{"en": "a film", "de": "film a"}, {"en": "a cast", "de": "cast a"}]}


@pytest.mark.parametrize("made", [dict, Dataset.from_dict], ids=["dict", "Dataset"])
def test_reads_translations(made: Any, tiny_t5: Path, tmp_path: Path):
    """Languages in a column of dicts are named as columns are; the choice is remembered, and saved."""
    model = Model(str(tiny_t5), task=Text2Text(max_new_tokens=4), device="cpu")

    model.fit(made(NESTED), text="en", target="de", epochs=1, seed=0, verbose=0)

    model.save(tmp_path / "saved")
    measured = keraslike.load(tmp_path / "saved", device="cpu").evaluate(made(NESTED), verbose=0)
    assert measured == pytest.approx(model.evaluate(["a film", "a cast"], ["film a", "cast a"], verbose=0))
    assert model.predict(made(NESTED)) == model.predict(["a film", "a cast"])


def test_prepare_makes_the_columns():
    """A function of the user's own row gives what is read."""
    rows = Text2Text().read({"w": ["one"]}, prepare=lambda row: {"text": row["w"], "target": row["w"] * 2})

    assert rows[0] == {"text": "one", "target": "oneone"}


# What comes out


@each_body
def test_writes_greedily(folder: Path):
    """By default the likeliest token is taken again and again, whatever the checkpoint's own settings."""
    task, network = task_of(folder, max_new_tokens=6)
    network.generation_config.update(num_beams=3, early_stopping=True, length_penalty=2.0)
    tokenizer = task.tokenizer
    inputs = tokenizer(TEXTS[:3], padding=True, return_tensors="pt")
    ids = torch.full((3, 1), network.config.decoder_start_token_id)
    for _ in range(6):
        logits = network(**inputs, decoder_input_ids=ids).logits[:, -1]
        ended = (ids[:, 1:] == tokenizer.eos_token_id).any(1)
        ids = torch.cat([ids, logits.argmax(-1).masked_fill(ended, tokenizer.pad_token_id)[:, None]], 1)

    written = task.predict_batch(network, dict(inputs))

    assert torch.equal(written, ids)


def test_options_reach_generate(tiny_bart: Path):
    """Beams, lengths and further arguments are those of transformers' `generate`."""
    options = {"max_new_tokens": 5, "num_beams": 3, "generation": {"min_new_tokens": 5, "length_penalty": 0.5}}
    task, network = task_of(tiny_bart, **options)
    inputs = task.tokenizer(TEXTS[:3], padding=True, return_tensors="pt")

    written = task.predict_batch(network, dict(inputs))

    wants = {"max_new_tokens": 5, "num_beams": 3, "min_new_tokens": 5, "length_penalty": 0.5}
    assert torch.equal(written, network.generate(**inputs, **wants))


@pytest.mark.parametrize(
    ("options", "says", "expected"),
    [
        ({}, {}, MAX_LENGTH),
        ({}, {"max_new_tokens": 7}, 7),
        ({}, {"max_length": 9}, 9),
        ({"max_target_length": 5}, {"max_new_tokens": 7}, 5),
        ({"max_target_length": 5, "max_new_tokens": 8}, {}, 8),
    ],
)
def test_how_much_is_written(tiny_t5: Path, options: Any, says: Any, expected: int):
    """The user's number counts, then the length of targets, then the checkpoint's, then 128, within the limit."""
    task, network = task_of(tiny_t5, **options)
    network.generation_config.update(**says)
    never_ending = {"suppress_tokens": [task.tokenizer.eos_token_id]}
    task.generation = never_ending

    written = task.predict_batch(network, dict(task.tokenizer(["a film"], return_tensors="pt")))

    assert written.shape == (1, expected + 1)


def test_checkpoints_own_beams(tiny_t5: Path):
    """num_beams=None leaves the number to the checkpoint."""
    task, network = task_of(tiny_t5, max_new_tokens=5, num_beams=None)
    network.generation_config.num_beams = 3
    inputs = task.tokenizer(TEXTS[:3], padding=True, return_tensors="pt")

    written = task.predict_batch(network, dict(inputs))

    longest = network.generate(**inputs, max_new_tokens=5, num_beams=3)
    assert torch.equal(written[:, : longest.shape[1]], longest)


def test_metrics_are_of_the_texts_that_predict_gives(tiny_t5: Path):
    """BLEU and chrF compare what predict writes with the user's own targets, whatever the batches."""
    model = Model(str(tiny_t5), task=Text2Text(max_new_tokens=8), device="cpu")
    model.fit(TEXTS, TEXTS, epochs=8, learning_rate=1e-2, seed=0, verbose=0)

    measured = model.evaluate(TEXTS, TEXTS, batch_size=3, verbose=0)

    written = model.predict(TEXTS)
    assert measured["chrf"] == chrf(written, TEXTS) > 0
    assert measured["bleu"] == bleu(written, TEXTS)


def test_stays_silent(tiny_bart: Path, capfd: pytest.CaptureFixture[str]):
    """Checkpoints whose own settings are for beams write without a warning."""
    task, network = task_of(tiny_bart, max_new_tokens=4)
    network.generation_config.update(num_beams=4, early_stopping=True, max_length=20)
    capfd.readouterr()

    task.predict_batch(network, dict(task.tokenizer(["a film"], return_tensors="pt")))

    assert capfd.readouterr() == ("", "")


# Errors

WRONG: dict[str, tuple[Any, Any, str]] = {
    "a number": (["one", 2], ["eins", "zwei"], r"row 1 of x is 2, an int\.\n  Expected: a str in every row"),
    "a missing text": (["one", None], ["eins", "zwei"], r"row 1 of x has no text: None"),
    "a target that is a number": (["one", "two"], [1, 2], r"row 0 of y is 1, an int\.[\s\S]*make texts of them"),
    "an empty target": (["one", "two"], ["eins", ""], r"row 1 of y has no text: ''"),
    "too few targets": (["one", "two"], ["eins"], r"x has 2 rows but y has 1 targets"),
    "no rows": ([], [], r"x is empty: it holds no rows"),
    "no target": (
        {"article": ["one"], "n": [1]},
        None,
        r"no column holds a target text for each row[\s\S]*a column 'target'",
    ),
    "no text": ({"a": ["one"], "b": ["two"]}, None, r"no column holds a text for each row; there are 'a', 'b'"),
    "a column with holes": ({"article": ["one", ""], "summary": ["a", "b"]}, None, r"row 1 of the column 'article'"),
    "languages": (NESTED, None, r"holds 'en', 'de'[\s\S]*name them: text='en', target='de'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data(name: str):
    """What cannot be read is refused with the row, what was expected, and what to do."""
    x, y, text = WRONG[name]

    with pytest.raises(DataError, match=text):
        Feed(Text2Text()).read(x, y)


def test_wrong_column():
    """A column that is not there is named, with those that are."""
    with pytest.raises(ArgumentError, match=r"there is no column 'sumary'[\s\S]*did you mean 'summary'"):
        Text2Text().read({"article": ["one"], "summary": ["a"]}, target="sumary")


@pytest.mark.parametrize("name", ["max_target_length", "max_new_tokens", "num_beams"])
def test_numbers_below_one(name: str):
    """Options that count are 1 or more."""
    with pytest.raises(ArgumentError, match=rf"{name}=0 is below 1\."):
        Text2Text(**{name: 0})


@pytest.mark.parametrize("name", ["max_target_length", "max_new_tokens"])
def test_longer_than_the_model(tiny_bart: Path, name: str):
    """Targets longer than the model takes are refused when it is built."""
    with pytest.raises(ArgumentError, match=rf"{name}=65 does not fit this model\.\n  Expected: 1 to 64 tokens"):
        task_of(tiny_bart, **{name: 65})


def test_no_decoder(tiny_bert: Path):
    """A model without encoder and decoder is refused in words, by name and as a module."""
    with pytest.raises(ArgumentError, match=r"the network is a bert model, which has no encoder and decoder"):
        Model(str(tiny_bert), task="text2text")
    with pytest.raises(ArgumentError, match=r"the network is a Linear, which has no encoder and decoder"):
        Model(torch.nn.Linear(2, 2), task="text2text")


def test_no_first_token(tiny_bert: Path):
    """A network that does not say what decoding begins with is refused."""
    network = networks()["two berts"]
    network.config.decoder_start_token_id = None

    with pytest.raises(ArgumentError, match=r"with which token decoding begins[\s\S]*decoder_start_token_id"):
        task_of(network, AutoTokenizer.from_pretrained(tiny_bert))


def test_no_probabilities(tiny_t5: Path):
    """Texts have no probabilities of labels."""
    with pytest.raises(ArgumentError, match=r"the task 'text2text' has no probabilities"):
        Model(str(tiny_t5), task="text2text", device="cpu").predict_proba("a film")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"num_beams": "4"}, "num_beams='4'"),
        ({"max_new_tokens": 2.5}, "max_new_tokens=2.5"),
        ({"prefix": None}, "prefix=None"),
        ({"generation": "greedy"}, "generation='greedy'"),
        ({"generation": {"num_beam": 4}}, "'num_beam', which generate does not take"),
        ({"generation": {"num_beams": 4}}, "num_beams= of its own"),
        ({"generation": {"num_return_sequences": 2}}, "one text is written for each row"),
    ],
    ids=str,
)
def test_options_of_writing_are_checked_at_once(given: dict[str, Any], what: str):
    """What `generate` does not take, or a task settles, is refused before the first epoch, not after it."""
    with pytest.raises(ArgumentError, match=what):
        Text2Text(**given)


# Tokenizers that end no text


def without_end(folder: Path) -> Any:
    """Give the tokenizer of a tiny model, which puts nothing behind a text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = Sequence([])
    assert tokenizer.eos_token_id not in tokenizer("a film")["input_ids"]
    return tokenizer


@each_body
def test_targets_are_ended(folder: Path):
    """Targets get the end that the tokenizer leaves out, within their limit; so the weights are those with its own."""
    ended, bare = (
        Model(str(folder), task=Text2Text(), tokenizer=given, device="cpu") for given in (None, without_end(folder))
    )
    chosen: dict[str, Any] = {"epochs": 1, "batch_size": 8, "seed": 0, "verbose": 0}

    ended.fit(TEXTS, REVERSED, **chosen)
    bare.fit([f"{text} </s>" for text in TEXTS], REVERSED, **chosen)

    assert torch.equal(weights_of(bare.network), weights_of(ended.network))
    task, _ = task_of(folder, without_end(folder), max_target_length=4)
    ids = task.tokenizer(REVERSED[1])["input_ids"]
    assert list(features_of(task, TEXTS[1:2], REVERSED[1:2])[0]["target"]) == [*ids[:3], task.tokenizer.eos_token_id]


def test_writing_stops_at_an_end_that_was_added(tiny_t5: Path):
    """What was learned is written, and no more than that."""
    model = Model(str(tiny_t5), task=Text2Text(max_new_tokens=30), tokenizer=without_end(tiny_t5), device="cpu")

    model.fit(TEXTS[:4], TEXTS[:4], epochs=100, batch_size=4, learning_rate=1e-2, seed=0, verbose=0)

    assert model.predict(TEXTS[:4]) == TEXTS[:4]


def test_an_end_that_nobody_names(tiny_t5: Path):
    """Where neither network nor tokenizer knows an end, targets stay as they are."""
    network = AutoModelForSeq2SeqLM.from_pretrained(tiny_t5)
    tokenizer = without_end(tiny_t5)
    network.generation_config.eos_token_id = tokenizer.eos_token = None

    assert end_to_add(network, tokenizer) is None
