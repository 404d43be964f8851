"""Causal language modelling: what is learned of plain texts, and how they are continued."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional as F
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    pipeline,
)

import keraslike
from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks import TextGeneration
from keraslike.tasks.feed import Feed
from tests.engine.loops import batches_by_hand, gradient_of, weights_of
from tests.engine.test_bits import decaying_groups
from tests.tiny import save, texts_with_labels

TEXTS = texts_with_labels()[0]
STARTS = ["a", "the story was", "what a great", "i found the ending"]
SEED = 7


def fitted(folder: Path, **options: Any) -> Model:
    """Give a model that has learned the texts well enough to give words that differ."""
    model = Model(str(folder), task=TextGeneration(block_size=16, **options), device="cpu")
    model.fit(TEXTS, epochs=5, learning_rate=5e-3, batch_size=8, seed=0, verbose=0)
    return model


@pytest.fixture(scope="module")
def trained(tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model that continues texts greedily."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    fitted(tiny_gpt2).save(folder)
    return folder


def again(folder: Path, **options: Any) -> Model:
    """Give the trained network with other options."""
    return Model(str(folder), task=TextGeneration(block_size=16, **options), device="cpu")


# Three lines


def test_three_lines(tiny_gpt2: Path):
    """Plain texts are learned from, measured, and continued."""
    model = Model(str(tiny_gpt2), task="text-generation", device="cpu")
    history = model.fit(TEXTS, validation_split=0.2, epochs=2, seed=0, verbose=0)
    answer = model.predict("the story")

    assert set(history[0]) == {"epoch", "time", "loss", "perplexity", "val_loss", "val_perplexity"}
    assert answer.startswith("the story")


def test_learns(tiny_gpt2: Path):
    """The perplexity falls far below that of the untrained network."""
    model = Model(str(tiny_gpt2), task=TextGeneration(block_size=16), device="cpu")
    before = model.evaluate(TEXTS, verbose=0)["perplexity"]

    model.fit(TEXTS, epochs=20, learning_rate=5e-3, seed=0, verbose=0)

    assert model.evaluate(TEXTS, verbose=0)["perplexity"] < before / 4


# The same as by hand


def blocks_by_hand(tokenizer: Any, size: int) -> list[torch.Tensor]:
    """Join the texts, the end token behind each, and cut."""
    ids = [token for text in TEXTS for token in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]
    return list(torch.tensor(ids).split(size))


def train_by_hand(folder: Path, epochs: int, batch_size: int) -> Any:
    """Fine-tune with transformers' tokenizer, the Auto class and its own loss, and torch."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    blocks = blocks_by_hand(tokenizer, 14)
    torch.manual_seed(SEED)
    network = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.AdamW(decaying_groups(network), lr=5e-5, fused=True)
    updates = epochs * -(-len(blocks) // batch_size)
    warm = -(-updates // 10)
    assert updates == 20
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    pad = torch.nn.utils.rnn.pad_sequence
    for epoch in range(1, epochs + 1):
        for rows in batches_by_hand(len(blocks), batch_size, SEED, epoch):
            part = [blocks[row] for row in rows]
            ids = pad(part, batch_first=True, padding_value=tokenizer.eos_token_id)
            mask = pad([torch.ones_like(block) for block in part], batch_first=True)
            labels = pad(part, batch_first=True, padding_value=-100)
            optimizer.zero_grad()
            network(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network


def test_twenty_updates_by_hand(tiny_gpt2: Path):
    """The weights after 20 updates are those of a loop by hand with the head's own loss, bit for bit."""
    by_hand = train_by_hand(tiny_gpt2, epochs=2, batch_size=2)
    model = Model(str(tiny_gpt2), task=TextGeneration(block_size=14), device="cpu")

    model.fit(TEXTS, epochs=2, batch_size=2, micro_batch_size=None, seed=SEED, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def features_of(task: TextGeneration, texts: list[str] = TEXTS) -> Any:
    """Give the packed features of texts."""
    return Feed(task).batches(Feed(task).read(texts), len(texts)).features


def test_blocks_and_targets(tiny_gpt2: Path):
    """Each block is a part of the joined texts, and each token's target the one behind it."""
    task = TextGeneration(block_size=16)
    task.build(str(tiny_gpt2))

    features = features_of(task)

    expected = blocks_by_hand(task.tokenizer, 16)
    assert [feature["input_ids"].tolist() for feature in features] == [block.tolist() for block in expected]
    assert [feature["target"].tolist() for feature in features] == [[*block[1:].tolist(), -100] for block in expected]


def test_loss_is_the_heads(tiny_gpt2: Path):
    """The loss is that of transformers' own head, which shifts the labels itself; padding counts nothing."""
    task = TextGeneration(block_size=16)
    network = task.build(str(tiny_gpt2)).eval()
    features = features_of(task)[-3:]
    inputs, targets = task.collate(features)
    labels = torch.where(inputs["attention_mask"] == 1, inputs["input_ids"], -100)

    ours = task.loss.mean(task.read_outputs(network(**inputs)), targets)

    assert inputs["attention_mask"].min() == 0
    assert ours.item() == pytest.approx(network(**inputs, labels=labels).loss.item(), rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_parts_have_the_gradient_of_the_batch(tiny_gpt2: Path, size: int):
    """Totals of micro-batches of any size, by the count of all, have the gradient of the whole batch."""
    task = TextGeneration(block_size=16)
    network = task.build(str(tiny_gpt2)).eval().double()
    features = features_of(task)[-9:]
    loss, (inputs, targets) = task.loss, task.collate(features)
    log_p = network(**inputs).logits.log_softmax(-1)
    picked = log_p.gather(-1, targets.clamp_min(0)[..., None])[..., 0][targets != -100]
    whole = gradient_of(network, -picked.mean())

    parts = [task.collate(features[start : start + size]) for start in range(0, 9, size)]
    totals = [loss.total(network(**x).logits, y) / loss.count(targets) for x, y in parts]

    torch.testing.assert_close(gradient_of(network, sum(totals)), whole, rtol=1e-10, atol=1e-12)


def test_perplexity_of_the_whole_set(trained: Path):
    """Perplexity is exp of the mean over all tokens of the set, whatever goes through at once."""
    model = again(trained)
    network = AutoModelForCausalLM.from_pretrained(trained).eval()
    sums, count = 0.0, 0
    for block in blocks_by_hand(model.task.tokenizer, 16):
        with torch.no_grad():
            logits = network(block[None]).logits[0, :-1].double()
        sums, count = sums + float(F.cross_entropy(logits, block[1:], reduction="sum")), count + len(block) - 1

    values = [model.evaluate(TEXTS, batch_size=size, verbose=0)["perplexity"] for size in (None, 1, 7)]

    assert values == pytest.approx([np.exp(sums / count)] * 3, rel=1e-5)


def test_an_encoder_looks_back_only(tiny_bert: Path):
    """An encoder becomes a decoder: what comes behind a token does not change its logits."""
    task = TextGeneration()
    network = task.build(str(tiny_bert)).eval()
    ids = torch.tensor([[2, 9, 11, 12]])
    other = torch.tensor([[2, 9, 11, 40]])

    with torch.no_grad():
        logits = [network(input_ids=given).logits[0, :3] for given in (ids, other)]

    torch.testing.assert_close(*logits)
    assert task.encode({"text": "a film"})[0]["input_ids"].tolist() == [2, *task.tokenizer("a film")["input_ids"][1:-1]]


def test_an_encoder_goes_on(tiny_bert: Path):
    """An encoder's texts end with its separator, in learning and in going on."""
    model = Model(str(tiny_bert), task=TextGeneration(block_size=16, max_new_tokens=30), device="cpu")
    model.fit(["a great film"] * 40, epochs=12, learning_rate=5e-3, seed=0, verbose=0)

    assert model.predict(["a great", "a"], verbose=0) == ["a great film", "a great film"]


# Going on


def generated_alone(model: Model, text: str, **options: Any) -> str:
    """Give what generate makes of one text, by transformers alone."""
    inputs = model.task.tokenizer(text, return_tensors="pt")
    whole = model.network.wrapped.generate(**inputs, pad_token_id=0, **options)[0]
    return model.task.tokenizer.decode(whole, skip_special_tokens=True)


def test_positions_that_begin_behind_the_padding(tiny_roberta: Path):
    """RoBERTa counts positions from 2 on: what it learned there is what goes on, as its `forward` alone tells."""
    texts, _ = texts_with_labels()
    model = Model(str(tiny_roberta), task=TextGeneration(max_new_tokens=5, return_full_text=False), device="cpu")
    model.fit(texts, epochs=2, learning_rate=3e-3, seed=3, verbose=0)
    network, tokenizer = model.network.wrapped.eval(), model.task.tokenizer

    answers = model.predict(STARTS)

    for start, answer in zip(STARTS, answers, strict=True):
        ids = tokenizer(start)["input_ids"][:-1]
        given = len(ids)
        while len(ids) < given + 5 and ids[-1] != tokenizer.sep_token_id:
            ids.append(int(network(torch.tensor([ids])).logits[0, -1].argmax()))
        assert answer.strip() == tokenizer.decode(ids[given:], skip_special_tokens=True).strip()
    assert any(answers)


def test_is_what_generate_gives_alone(trained: Path):
    """Texts of different lengths, continued together, are continued as each is alone, greedily."""
    model = again(trained, max_new_tokens=9)

    answers = model.predict(STARTS)

    alone = [generated_alone(model, start, max_new_tokens=9, do_sample=False) for start in STARTS]
    assert answers == alone
    assert len(set(answers)) == len(STARTS)


def byte_level_gpt2(folder: Path) -> Path:
    """Save a GPT-2 with a byte-level tokenizer, as GPT-2's own: a space is part of the token behind it."""
    end = "<|endoftext|>"
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=[end], initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    special = {"eos_token": end, "bos_token": end, "unk_token": end}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **special)
    ids = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2, **ids)
    torch.manual_seed(0)
    return save(GPT2LMHeadModel, config, tokenizer, folder)


def test_saved_loaded_and_in_the_pipeline(tmp_path: Path):
    """What is saved answers the same when loaded, and in transformers' pipeline, which also gives the whole text."""
    model = fitted(byte_level_gpt2(tmp_path / "gpt2"))
    model.save(tmp_path / "saved")

    answers = model.predict(STARTS)
    again = keraslike.load(tmp_path / "saved", device="cpu").predict(STARTS)
    theirs = pipeline("text-generation", model=str(tmp_path / "saved"), device="cpu")

    assert answers == again
    given = theirs(STARTS, max_new_tokens=20, do_sample=False)
    assert answers == [one[0]["generated_text"] for one in given]
    assert len(set(answers)) == len(STARTS)


def test_words_stay_apart(trained: Path):
    """Where a tokenizer loses the space before what was added, as the pipeline does, it is put back."""
    answers = keraslike.load(trained, device="cpu").predict(STARTS)

    theirs = pipeline("text-generation", model=str(trained), device="cpu")
    given = [one[0]["generated_text"] for one in theirs(STARTS, max_new_tokens=20, do_sample=False)]
    pairs = list(zip(STARTS, answers, strict=True))
    assert [start + answer[len(start) + 1 :] for start, answer in pairs] == given
    assert all(answer.startswith(f"{start} ") for start, answer in pairs)


def test_where_the_beginning_reads_otherwise(trained: Path):
    """Where tokens read otherwise with others behind them, what was added is read alone."""
    task = TextGeneration(return_full_text=False)

    class Odd:
        def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
            return f"{len(ids)}:" + "x" * len(ids)

    task.tokenizer = Odd()

    assert task.decode([torch.tensor([5, 6])], [{"input_ids": np.array([1]), "text": "a"}]) == ["2:xx"]


def test_what_was_added(trained: Path):
    """With return_full_text=False the answer is what was added."""
    whole, added = again(trained).predict(STARTS), again(trained, return_full_text=False).predict(STARTS)

    assert [start + text for start, text in zip(STARTS, added, strict=True)] == whole


def test_one_text(trained: Path):
    """One text in, one text out."""
    assert again(trained).predict(STARTS[1]) == again(trained).predict(STARTS)[1]


def test_beams(trained: Path):
    """num_beams goes to generate."""
    model = again(trained, num_beams=3, max_new_tokens=6)

    expected = generated_alone(model, "a", max_new_tokens=6, num_beams=3, do_sample=False)
    assert model.predict("a") == expected


def test_sampling_follows_torchs_state(trained: Path):
    """The same seed of torch draws the same, as generate does; drawing on gives others."""
    options = {"do_sample": True, "temperature": 3.0, "top_k": 40, "top_p": 0.99}
    model = again(trained, max_new_tokens=12, **options)

    torch.manual_seed(1)
    first, second = model.predict("a"), model.predict("a")
    torch.manual_seed(1)
    same = model.predict("a")
    torch.manual_seed(1)
    by_hand = generated_alone(model, "a", max_new_tokens=12, **options)

    assert same == first == by_hand
    assert second != first


def test_greedy_leaves_torchs_state(trained: Path):
    """Without sampling nothing is drawn."""
    model = again(trained)
    before = torch.get_rng_state()

    model.predict(STARTS)

    assert torch.equal(torch.get_rng_state(), before)


def test_ends_at_the_end_token(trained: Path):
    """A text ends where the end token comes, also among longer ones; the token itself is not shown."""
    answers = again(trained, max_new_tokens=30).predict([*STARTS, "a wonderful film"])

    assert not any("endoftext" in answer for answer in answers)
    assert len({len(answer.split()) for answer in answers}) > 1


def test_a_long_text_is_continued_from_its_end(trained: Path):
    """Of a text that is too long for the model, its last tokens are read, and the whole is given back."""
    model = again(trained, max_new_tokens=4)
    text = "a film " * 50 + "what a great"

    answer = model.predict(text)

    ids = model.task.tokenizer(text)["input_ids"][-60:]
    whole = model.network.wrapped.generate(torch.tensor([ids]), max_new_tokens=4, do_sample=False, pad_token_id=0)
    assert answer == f"{text} {model.task.tokenizer.decode(whole[0, 60:], skip_special_tokens=True)}"


def test_padding(tiny_gpt2: Path):
    """Texts to continue are padded on the left, blocks to learn from on the right."""
    task = TextGeneration(block_size=16)
    task.build(str(tiny_gpt2))
    starts = [{**task.encode({"text": text})[0], "row": row} for row, text in enumerate(STARTS)]

    asked, _ = task.collate(starts)
    learned, _ = task.collate(features_of(task)[-2:])

    assert (asked["attention_mask"].diff(dim=1) >= 0).all()
    assert (learned["attention_mask"].diff(dim=1) <= 0).all()


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"temperature": 0.5},
            r"temperature=0.5 is given, but .*\n.*do_sample=True.*\n.*TextGeneration\(do_sample=True",
        ),
        ({"top_p": 0.5}, r"top_p=0.5 is given"),
        ({"max_new_tokens": 0}, r"max_new_tokens=0 gives no text"),
        ({"num_beams": 0}, r"num_beams=0 gives no text"),
    ],
)
def test_options(options: dict[str, Any], message: str):
    """Options that cannot be meant are answered at once."""
    with pytest.raises(ArgumentError, match=message):
        TextGeneration(**options)


def test_no_room_for_a_text(tiny_gpt2: Path):
    """As many new tokens as the model reads at once leave no room for a text."""
    with pytest.raises(ArgumentError, match=r"max_new_tokens=64 leaves no room.*\n.*fewer than 64.*\n.*=32"):
        Model(str(tiny_gpt2), task=TextGeneration(max_new_tokens=64), device="cpu")


def test_no_such_head(tiny_distilbert: Path):
    """A model that has no head for this is refused, with the task that fits it."""
    with pytest.raises(ArgumentError, match=r"is a 'distilbert' model, which has no head for 'text-generation'"):
        Model(str(tiny_distilbert), task="text-generation", device="cpu")


@pytest.mark.parametrize("text", ["", " \n", "\x01"])
def test_nothing_to_continue(tiny_gpt2: Path, text: str):
    """A text without a word cannot be continued; its row is named."""
    model = Model(str(tiny_gpt2), task="text-generation", device="cpu")

    with pytest.raises(DataError, match=r"row 1 of x (holds no words|has no tokens): .*\n.*one word or more"):
        model.predict(["a", text])
