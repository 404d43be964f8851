"""What a misspelt option, a task of the user's own, or a network without a head is told."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import transformers
from torch import Tensor, nn

from keraslike import Model, QuestionAnswering, SentenceOrdering, Task, Text2Text, TextClassification, TransformerTask
from keraslike.errors import ArgumentError, DataError, LoadError
from keraslike.tasks import ImageClassification, MultipleChoice, TokenClassification

TEXTS, TARGETS = ["one", "two", "three", "four"], [1, 1, 0, 1]


class Letters(nn.Module):
    """Sums the letters' vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(128, 2)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.letters(input_ids).sum(1)


class HasO(Task):
    """Whether a text has an "o"."""

    name: ClassVar[str] = "has-o"

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        return source

    def encode(self, row: Mapping[str, Any]) -> Any:
        return [{"input_ids": [ord(letter) for letter in row["text"]][:3], "target": row.get("target", 0)}]

    def collate(self, features: Sequence[Mapping[str, Any]]) -> Any:
        ids = torch.tensor([[int(i) for i in feature["input_ids"]] for feature in features])
        return {"input_ids": ids}, torch.tensor([int(feature["target"]) for feature in features])

    @property
    def loss(self) -> Any:
        return "cross_entropy"

    def decode(self, outputs: Any, features: Any) -> list[Any]:
        return outputs.argmax(1).tolist()


def fit(task: Any) -> Any:
    model = Model(Letters(), task=task, device="cpu")
    model.fit(TEXTS, TARGETS, epochs=1, verbose=0)
    return model


# Options


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        (QuestionAnswering, "top", r"no option 'top'(.|\n)*one of stride, (.|\n)*did you mean 'top_k'\?"),
        (SentenceOrdering, "windows", r"no option 'windows'(.|\n)*did you mean 'window'\?"),
        (TextClassification, "problem", r"no option 'problem'(.|\n)*did you mean 'problem_type'\?"),
        (Text2Text, "max_length", r"(.|\n)*tell it the model: Model\(\.\.\., task=Text2Text\(\.\.\.\), max_length="),
        (Text2Text, "qqq", r"no option 'qqq'(.|\n)*leave qqq out"),
        (MultipleChoice, "qqq", r"no option 'qqq'(.|\n)*no options"),
        (HasO, "letter", r"HasO\(\) has no option 'letter'"),
    ],
)
def test_misspelt_options(kind: Any, option: str, message: str):
    """An option that a task has not is told with the nearest, or where it belongs."""
    with pytest.raises(ArgumentError, match=message):
        kind(**{option: 2})


def test_options_of_any_name():
    """A task of the user's own may take any."""

    class Open(HasO):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.options = options

    assert Open(anything=1).options == {"anything": 1}


# Tasks of the user's own


def test_loss_by_name():
    """A task's loss may be a name, as in `Model`."""
    model = fit(HasO())

    assert model.task.problem_type == "single_label_classification"
    assert model.evaluate(TEXTS, TARGETS, verbose=0)["loss"] > 0


def test_constructor_without_its_base():
    """super().__init__() forgotten is said before anything is read."""

    class Bare(HasO):
        def __init__(self) -> None:
            self.letter = "o"

    with pytest.raises(
        ArgumentError, match=r"the constructor of Bare has not called(.|\n)*write super\(\).__init__\(\)"
    ):
        Model(Letters(), task=Bare(), device="cpu")
    with pytest.raises(ArgumentError, match="the constructor of Bare has not called"):
        Model(Letters(), task=Bare, device="cpu")


@pytest.mark.parametrize(
    ("encoded", "message"),
    [({"input_ids": [1]}, r"encode gave a dict(.|\n)*write return \[feature\]"), (None, "encode gave None for a row")],
)
def test_encode_gives_no_list(encoded: Any, message: str):
    """`encode` gives a list of features."""

    class One(HasO):
        def encode(self, row: Mapping[str, Any]) -> Any:
            return encoded

    with pytest.raises(ArgumentError, match=message):
        fit(One())


def test_collate_gives_only_the_batch():
    """`collate` gives inputs and targets, also where there are as many inputs as that."""

    class OnlyInputs(HasO):
        def collate(self, features: Any) -> Any:
            inputs = super().collate(features)[0]
            return {**inputs, "attention_mask": torch.ones_like(inputs["input_ids"])}

    with pytest.raises(ArgumentError, match=r"collate gave a dict(.|\n)*write return inputs, targets"):
        fit(OnlyInputs())


@pytest.mark.parametrize(("given", "shown"), [(None, "None"), ("bert", "'bert'")])
def test_build_gives_no_network(given: Any, shown: str):
    """`build` gives the network, a module."""

    class Lost(HasO):
        def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> Any:
            return given

    with pytest.raises(ArgumentError, match=rf"Lost.build gave {shown}\.(.|\n)*write return network"):
        Model(Letters(), task=Lost(), device="cpu")


def test_decode_gives_no_list():
    """`decode` gives a list of answers, one for each row."""

    class Silent(HasO):
        def decode(self, outputs: Any, features: Any) -> Any:
            return None

    with pytest.raises(DataError, match=r"the task 'has-o' made None of 4 rows(.|\n)*look at decode of Silent"):
        fit(Silent()).predict(TEXTS)


def test_a_network_that_cannot_save_itself(tmp_path: Path):
    """A model is saved as a directory by its network: what that lacks is said, and what is saved without it."""
    with pytest.raises(
        ArgumentError,
        match=r"the network is a Letters\.\n.*save_pretrained and config(.|\n)*model.save_weights\(file\)",
    ):
        fit(HasO()).save(tmp_path / "model")


def test_a_network_without_a_task_is_no_directory(tmp_path: Path):
    """Without a task it is the task that lacks."""
    with pytest.raises(ArgumentError, match=r"and the model has no task\."):
        Model(Letters(), "sgd", "cross_entropy", device="cpu").save(tmp_path / "model")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({}, "it has no auto_class"),
        ({"auto_class": "AutoModelForTokenClassification"}, "it has no head"),
        (
            {"auto_class": "AutoModelForTokenClasification", "head": "ForTokenClassification"},
            r"which transformers has not(.|\n)*did you mean 'AutoModelForTokenClassification'",
        ),
    ],
)
def test_no_auto_class(own: dict[str, str], message: str, tiny_bert: Path):
    """A task on transformers names the class that loads its network."""
    kind: Any = type("Mine", (TransformerTask,), {"name": "mine", **own})

    with pytest.raises(ArgumentError, match=message):
        Model(str(tiny_bert), task=kind(), device="cpu")


# Models of another kind


@pytest.mark.parametrize(
    ("task", "body", "kind", "fitting"),
    [
        ("image-classification", "tiny_bert", "bert", "text-classification"),
        ("audio-classification", "tiny_bert", "bert", "token-classification"),
        ("text-classification", "tiny_vit", "vit", "image-classification"),
        ("token-classification", "tiny_vit", "vit", "image-classification"),
        ("question-answering", "tiny_vit", "vit", "image-classification"),
        ("sentence-ordering", "tiny_vit", "vit", "image-classification"),
        ("multiple-choice", "tiny_gpt2", "gpt2", "text-generation"),
        ("fill-mask", "tiny_wav2vec2", "wav2vec2", "audio-classification"),
        ("text-generation", "tiny_t5", "t5", "text2text"),
        ("glue/stsb", "tiny_vit", "vit", "image-classification"),
    ],
)
def test_a_model_of_another_kind(task: str, body: str, kind: str, fitting: str, request: pytest.FixtureRequest):
    """A model for which transformers has no head for the task is refused at once, with tasks that it is for."""
    directory = str(request.getfixturevalue(body))

    with pytest.raises(ArgumentError) as error:
        Model(directory, task=task, device="cpu")

    assert error.value.what == f"{directory!r} is a {kind!r} model, which has no head for {task!r}."
    assert fitting in str(error.value.do)


@pytest.mark.parametrize("task", [ImageClassification(labels=["a", "b"]), TokenClassification(labels=["a", "b"])])
def test_named_labels_change_nothing_of_that(task: Any, tiny_t5: Path, tiny_vit: Path):
    """The kind is looked at before a tokenizer or processor is."""
    body = tiny_t5 if isinstance(task, ImageClassification) else tiny_vit

    with pytest.raises(ArgumentError, match=f"which has no head for '{task.name}'"):
        Model(str(body), task=task, device="cpu")


# Networks without the head

WORDS = [[["Ann", "ran"]] * 4, [["B", "O"]] * 4]
CHOICES = [[{"text": "a", "choices": ["b", "c"], "label": 0}] * 4, None]
SENTENCES = [[["one", "two", "three"]] * 4, None]


@pytest.mark.parametrize(
    ("task", "network", "data", "auto_class"),
    [
        ("text-classification", "AutoModel", (TEXTS, TARGETS), "AutoModelForSequenceClassification"),
        ("token-classification", "AutoModel", WORDS, "AutoModelForTokenClassification"),
        ("multiple-choice", "AutoModel", CHOICES, "AutoModelForMultipleChoice"),
        ("sentence-ordering", "AutoModel", SENTENCES, "AutoModelForTokenClassification"),
        ("fill-mask", "AutoModel", (TEXTS, None), "AutoModelForMaskedLM"),
    ],
)
def test_body_without_a_head(task: str, network: str, data: Any, auto_class: str, tiny_bert: Path):
    """A body is refused before the first step, with the class that gives it the task's head."""
    body = getattr(transformers, network).from_pretrained(tiny_bert)

    with pytest.raises(ArgumentError, match=rf"BertModel, which is a body without a head(.|\n)*with {auto_class}\."):
        Model(body, task=task, device="cpu").fit(*data, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("task", "head", "data"),
    [
        ("token-classification", "AutoModelForSequenceClassification", WORDS),
        ("text-classification", "AutoModelForTokenClassification", (TEXTS, TARGETS)),
    ],
)
def test_head_of_another_task(task: str, head: str, data: Any, tiny_bert: Path):
    """So is a head that answers something else."""
    network = getattr(transformers, head).from_pretrained(tiny_bert, num_labels=2)

    with pytest.raises(ArgumentError, match=r"which has the head of another task(.|\n)*load it with AutoModelFor"):
        Model(network, task=task, device="cpu").fit(*data, epochs=1, verbose=0)


def test_encoder_and_decoder_for_generation(tiny_bart: Path):
    """An encoder sees the very tokens that are to be told."""
    network = transformers.AutoModelForSeq2SeqLM.from_pretrained(tiny_bart)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bart)

    with pytest.raises(ArgumentError, match="BartForConditionalGeneration, which has the head of another task"):
        Model(network, task="text-generation", tokenizer=tokenizer, device="cpu").fit(TEXTS, epochs=1, verbose=0)


def test_body_of_images_and_of_sounds(tiny_vit: Path, tiny_wav2vec2: Path):
    """The same for images and sounds."""
    processor = transformers.ViTImageProcessor(size={"height": 16, "width": 16})
    extractor = transformers.Wav2Vec2FeatureExtractor()
    images, sounds = torch.zeros(4, 3, 16, 16), [torch.zeros(800).numpy()] * 4

    with pytest.raises(ArgumentError, match=r"ViTModel, which is a body(.|\n)*AutoModelForImageClassification"):
        Model(
            transformers.AutoModel.from_pretrained(tiny_vit),
            task="image-classification",
            tokenizer=processor,
            device="cpu",
        ).fit(images.numpy(), ["a", "b"] * 2, epochs=1, verbose=0)
    with pytest.raises(ArgumentError, match=r"Wav2Vec2Model, which is a body(.|\n)*AutoModelForAudioClassification"):
        Model(
            transformers.AutoModel.from_pretrained(tiny_wav2vec2),
            task="audio-classification",
            tokenizer=extractor,
            device="cpu",
        ).fit(sounds, ["a", "b"] * 2, epochs=1, verbose=0)


def test_outputs_without_logits():
    """A module of the user's own that gives no logits is told what it gives."""

    class Body(Letters):
        def forward(self, input_ids: Tensor) -> Any:
            return {"last_hidden_state": super().forward(input_ids)}

    with pytest.raises(ArgumentError, match="the network gives last_hidden_state, but no logits"):
        Model(Body(), task=HasO(), device="cpu").fit(TEXTS, TARGETS, epochs=1, verbose=0)


def test_a_misspelt_model(tmp_path: Path):
    """What is suggested for a model that is not there is like it by its own name, not by the folder that it lies in."""
    (tmp_path / "finetuned").mkdir()

    with pytest.raises(LoadError) as far:
        Model(str(tmp_path / "b.txt"), task="text-classification", device="cpu")
    with pytest.raises(LoadError) as near:
        Model(str(tmp_path / "finetund"), task="text-classification", device="cpu")

    assert str(far.value.do).startswith("check spelling and connection")
    assert near.value.do == f"did you mean '{tmp_path / 'finetuned'}'?"
