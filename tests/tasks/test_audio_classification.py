"""Audio classification beside transformers alone: rates, lengths that are not padded, training, and what is refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.io import wavfile
from scipy.signal import resample_poly
from transformers import (
    ASTFeatureExtractor,
    AutoConfig,
    AutoModelForAudioClassification,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
)
from transformers import logging as transformers_logging

import keraslike
from keraslike import Model
from keraslike.data.audio import read_sound
from keraslike.data.cutting import WHOLE, Cut
from keraslike.data.features import FeatureBatch
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks import AudioClassification
from keraslike.tasks.audio_classification import PADDED_EXACTLY
from keraslike.tasks.feed import Feed
from tests.engine.loops import weights_of
from tests.tasks.cases.audio_classification import HEIGHTS, RATE, TONES
from tests.tasks.media_by_hand import fine_tune_by_hand
from tests.tiny import WIDTH, in_float64

NAME = "audio-classification"
SEED = 7
CONVOLUTIONS: dict[str, Any] = {"conv_dim": (16, 16), "conv_kernel": (10, 8), "conv_stride": (5, 8)}
SIZES: dict[str, Any] = {
    **WIDTH,
    **CONVOLUTIONS,
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 8,
}


@pytest.fixture(autouse=True)
def _calm() -> Any:
    """Keep transformers' progress bars off the screen."""
    transformers_logging.disable_progress_bar()
    yield
    transformers_logging.enable_progress_bar()


@pytest.fixture(scope="module")
def trained(tiny_wav2vec2: Path) -> Model:
    """A model, which padding would disturb, that tells high tones from low ones."""
    model = Model(str(tiny_wav2vec2), task=NAME, device="cpu")
    model.fit(TONES, HEIGHTS, epochs=4, learning_rate=3e-3, seed=0, verbose=0)
    return model


def small(norm: str = "group", kind: str = "wav2vec2", **config: Any) -> Any:
    """Give an encoder without dropout or masks, always with the same weights, which are not near zero."""
    still: dict[str, Any] = {"apply_spec_augment": False, "layerdrop": 0.0, "num_labels": 2, "initializer_range": 0.3}
    still |= {f"{name}_dropout": 0.0 for name in ("hidden", "attention", "feat_proj")}
    still |= {"activation_dropout": 0.0, "final_dropout": 0.0}
    torch.manual_seed(0)
    return AutoModelForAudioClassification.from_config(
        AutoConfig.for_model(kind, **{**SIZES, **still, "feat_extract_norm": norm, **config})
    ).eval()


def model_of(network: Any, **options: Any) -> Model:
    return Model(network, task=AudioClassification(labels=["high", "low"], **options), device="cpu")


def one_by_one(network: Any, waves: Any, *, mask: bool) -> npt.NDArray[np.float32]:
    """Give the logits of each sound by itself, by transformers alone."""
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=mask)
    with torch.no_grad():
        inputs = [dict(extractor(wave, sampling_rate=RATE, return_tensors="pt")) for wave in waves]
        return torch.cat([network(**one).logits for one in inputs]).numpy()


# Learning


@pytest.mark.parametrize("folder", ["tiny_wav2vec2", "tiny_wav2vec2_masked"])
def test_three_lines_learn_tones(folder: str, request: pytest.FixtureRequest):
    """Tones of two heights and different lengths are learned from a list of arrays."""
    model = Model(str(request.getfixturevalue(folder)), task=NAME, device="cpu")
    model.fit(TONES[:32], HEIGHTS[:32], epochs=8, learning_rate=3e-3, seed=0, verbose=0)

    assert model.evaluate(TONES[32:], HEIGHTS[32:], verbose=0)["accuracy"] == 1.0
    assert model.predict(TONES[:4]) == HEIGHTS[:4]


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_twenty_updates_are_those_of_a_loop_by_hand(norm: str, request: pytest.FixtureRequest):
    """The weights after 4 epochs of 5 batches are those of a loop by hand, bit for bit; with a mask also if padded."""
    is_masked = norm == "layer"
    folder = request.getfixturevalue("tiny_wav2vec2_masked" if is_masked else "tiny_wav2vec2")
    waves = TONES if is_masked else [wave[:1_600] for wave in TONES]
    targets = torch.tensor([["high", "low"].index(height) for height in HEIGHTS])
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=is_masked)
    known: dict[str, Any] = {"epochs": 4, "batch_size": 8, "seed": SEED}

    by_hand = fine_tune_by_hand(
        AutoModelForAudioClassification,
        folder,
        lambda some: dict(extractor(list(some), sampling_rate=RATE, padding=True, return_tensors="pt")),
        waves,
        targets,
        **known,
    )
    model = Model(str(folder), task=NAME, device="cpu")
    model.fit(waves, HEIGHTS, micro_batch_size=None, verbose=0, **known)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


@pytest.mark.parametrize("size", [1, 3, "auto"])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_parts_give_the_gradient_of_the_batch(norm: str, size: Any):
    """However a batch of different lengths is cut, its step is that of sounds one by one: 1e-10 in float64."""
    by_hand, cut = in_float64(small(norm)), in_float64(small(norm))
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer")
    for start in (0, 8):
        optimizer.zero_grad()
        for wave, height in zip(TONES[start : start + 8], HEIGHTS[start : start + 8], strict=True):
            logits = by_hand(**extractor(wave, sampling_rate=RATE, return_tensors="pt")).logits
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor([["high", "low"].index(height)]))
            (loss / 8).backward()
        optimizer.step()

    task = AudioClassification(labels=["high", "low"])
    model = Model(cut, torch.optim.SGD(cut.parameters(), lr=0.1), task=task, device="cpu")
    model.fit(
        *(TONES[:16], HEIGHTS[:16]),
        batch_size=8,
        epochs=1,
        shuffle=False,
        micro_batch_size=size,
        schedule=None,
        clip_norm=None,
        verbose=0,
    )

    torch.testing.assert_close(weights_of(cut), weights_of(by_hand), rtol=1e-10, atol=1e-10)


def test_loss_is_the_heads(trained: Model):
    """The loss is what the head itself computes from the same labels."""
    features = list(trained.task.encode_rows(trained.task.read([w[:1_600] for w in TONES], HEIGHTS)))
    inputs, targets = trained.task.collate(features)
    with torch.no_grad():
        outputs = trained.network.wrapped.eval()(**inputs, labels=targets)

    ours = trained.task.loss.mean(outputs.logits, targets)

    assert float(ours) == pytest.approx(float(outputs.loss), abs=1e-6)


# Lengths


def test_different_lengths_are_never_padded(trained: Model):
    """Without an exact mask a batch is cut wherever lengths differ, also where it is not cut otherwise."""
    task = trained.task
    batch = FeatureBatch(list(task.encode_rows(task.read(TONES, HEIGHTS))), task.collate)

    for cut in (WHOLE, Cut(price=100.0), Cut(size=3), Cut(limit=2)):
        parts = batch.parts(cut)

        assert sorted(int(place) for part in parts for place in part.index) == list(range(40))
        assert all(len({len(TONES[place]) for place in part.index}) == 1 for part in parts)
        assert max(part.size for part in parts) == min(cut.most or 8, 8)


def test_equal_lengths_stay_whole(trained: Model):
    """A batch of equal lengths goes through at once, in its order."""
    task = trained.task
    batch = FeatureBatch(list(task.encode_rows(task.read([w[:1_600] for w in TONES], HEIGHTS))), task.collate)

    (part,) = batch.parts(WHOLE)

    assert part.index is None
    assert (part.size, part.sent_tokens) == (40, part.real_tokens)


@pytest.mark.parametrize("kind", PADDED_EXACTLY)
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # WavLM's own
def test_padding_that_a_mask_hides(kind: str):
    """Encoders in the list answer padded sounds as they do each by itself: 1e-5."""
    network = small("layer", kind)
    model = model_of(network)
    waves = [TONES[0][: 1_600 - 37 * number] + np.float32(0.01 * number) for number in range(9)]

    assert model.task.pads
    features = list(model.task.encode_rows(model.task.read(waves, labelled=False)))
    inputs, _ = model.task.collate(features)
    with torch.no_grad():
        padded = network(**inputs).logits.numpy()

    np.testing.assert_allclose(padded, one_by_one(network, waves, mask=True), atol=1e-5)


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "data2vec-audio", "wav2vec2-conformer", "sew"])
def test_encoders_that_padding_disturbs(kind: str):
    """Other encoders give each sound the answer that it gets by itself, too, since nothing is padded."""
    network = small("group", kind)
    model = model_of(network)
    waves = [wave[: 1_000 + 37 * number] for number, wave in enumerate(TONES[:6])]

    logits = model.predict_logits(waves)

    assert not model.task.pads
    np.testing.assert_allclose(logits, one_by_one(network, waves, mask=False), atol=1e-5)


def test_padding_together_is_refused(trained: Model):
    """What is not cut, as in `train_on_batch`, says that lengths must be equal."""
    with pytest.raises(DataError, match=r"sounds of 1,600 to 1,680 samples are to go through together(\n|.)*use fit"):
        trained.train_on_batch(TONES[:2], HEIGHTS[:2])


def test_length_is_that_of_the_frames(trained: Model):
    """Lengths, and so budgets, count what the network's attention goes over."""
    feature = trained.task.encode_rows(trained.task.read(TONES[:1], HEIGHTS[:1]))[0]

    expected = int(trained.network.wrapped._get_feat_extract_output_lengths(torch.tensor(1_600)))
    assert (feature["length"], feature["width"]) == (expected, 1_600)


def test_max_seconds_cuts(tiny_wav2vec2: Path):
    """Longer sounds are cut, and a note says how many."""
    model = Model(str(tiny_wav2vec2), task=AudioClassification(labels=[0, 1], max_seconds=0.1), device="cpu")
    rows = model.task.read(TONES, labelled=False)
    model.task.notes.clear()

    inputs, _ = model.task.collate(list(model.task.encode_rows(rows)))

    assert inputs["input_values"].shape == (40, 1_600)
    assert model.task.notes == ["32 of 40 sounds are cut at 0.1 seconds."]


def test_sounds_shorter_than_what_is_masked(tiny_wav2vec2: Path):
    """Training hides ten frames at a time: a note says that some sounds are too short for it."""
    model = Model(str(tiny_wav2vec2), task=AudioClassification(labels=[0, 1]), device="cpu")
    model.task.notes.clear()

    model.task.encode_rows(model.task.read([TONES[0], TONES[1][:700]], labelled=False))

    assert model.task.notes[0].startswith("1 of 2 sounds are shorter than the 10 frames that SpecAugment hides")


def test_short_sounds_without_masks(tiny_wav2vec2: Path):
    """What the note says is so: short sounds are learned from once nothing is hidden, and then nothing is noted."""
    model = Model(str(tiny_wav2vec2), task=AudioClassification(labels=["high", "low"]), device="cpu")
    short = [wave[:700] for wave in TONES[:8]]
    with pytest.raises(ValueError, match="mask_length"):
        model.fit(short, HEIGHTS[:8], epochs=1, seed=0, verbose=0)

    model.network.wrapped.config.apply_spec_augment = False
    history = model.fit(short, HEIGHTS[:8], epochs=1, seed=0, verbose=0)

    assert np.isfinite(history[0]["loss"])
    assert model.task.notes == []


# What sounds may be


def make_containers(folder: Path) -> dict[str, Any]:
    """Give the same sounds, of 16 bits and 1,600 samples, in every kind of container."""
    import pandas as pd
    import polars as pl
    from datasets import Audio, Dataset

    rates = [RATE] * 40
    whole = [np.round(wave[:1_600] * 32_767).astype(np.int16) for wave in TONES]
    waves = [(wave / 32_768).astype(np.float32) for wave in whole]
    for number, wave in enumerate(whole):
        wavfile.write(folder / f"{number}.wav", RATE, wave)
    paths = [str(folder / f"{number}.wav") for number in range(40)]
    dicts = [{"array": wave, "sampling_rate": RATE, "path": None} for wave in waves]
    encoded = [{"bytes": Path(path).read_bytes(), "path": None} for path in paths]
    return {
        "list of arrays": (waves, HEIGHTS),
        "(rows, samples)": (np.stack(waves), HEIGHTS),
        "tensor": (torch.from_numpy(np.stack(waves)), HEIGHTS),
        "float64": ([wave.astype(np.float64) for wave in waves], HEIGHTS),
        "int16": (whole, HEIGHTS),
        "int32": ([wave.astype(np.int32) * 65_536 for wave in whole], HEIGHTS),
        "lists of floats": ([wave.tolist() for wave in waves], HEIGHTS),
        "lists of float32": ([list(wave) for wave in waves], HEIGHTS),
        "two channels": ([np.stack([wave, wave]) for wave in waves], HEIGHTS),
        "two channels of int16": ([np.stack([wave, wave], axis=-1) for wave in whole], HEIGHTS),
        "one channel": ([wave[None] for wave in whole], HEIGHTS),
        "dicts": (dicts, HEIGHTS),
        "dicts of tensors": ([{**row, "array": torch.from_numpy(row["array"])} for row in dicts], HEIGHTS),
        "paths": (paths, HEIGHTS),
        "encoded": (encoded, HEIGHTS),
        "bytes": ([row["bytes"] for row in encoded], HEIGHTS),
        "frame of bytes": (pd.DataFrame({"audio": [row["bytes"] for row in encoded], "label": HEIGHTS}), None),
        "bytes and rates": ({"audio": [row["bytes"] for row in encoded], "sampling_rate": [1] * 40}, HEIGHTS),
        "pairs": (list(zip(waves, HEIGHTS, strict=True)), None),
        "list of dicts": ([{"audio": d, "label": h} for d, h in zip(dicts, HEIGHTS, strict=True)], None),
        "dict of columns": ({"speech": waves, "label": HEIGHTS}, None),
        "columns of int16": ({"array": whole, "sampling_rate": rates, "label": HEIGHTS}, None),
        "(rows, samples) of int16": ({"array": np.stack(whole), "sampling_rate": rates, "label": HEIGHTS}, None),
        "frame": (pd.DataFrame({"file": paths, "label": HEIGHTS}), None),
        "Series": (pd.Series(paths, index=range(5, 45)), HEIGHTS),
        "Series of arrays": (pd.Series(whole), pd.Series(HEIGHTS)),
        "Index": (pd.Index(paths), HEIGHTS),
        "polars Series": (pl.Series(paths), HEIGHTS),
        "array of paths": (np.array(paths), HEIGHTS),
        "array of Paths": (np.array(list(map(Path, paths))), HEIGHTS),
        "column of paths": (Dataset.from_dict({"where": paths})["where"], HEIGHTS),
        "column of files": (Dataset.from_dict({"audio": paths}).cast_column("audio", Audio())["audio"], HEIGHTS),
        "Dataset": (Dataset.from_dict({"audio": dicts, "label": HEIGHTS}), None),
        "Dataset of files": (Dataset.from_dict({"audio": encoded, "label": HEIGHTS}), None),
    }


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the same sounds in every kind of container."""
    return make_containers(tmp_path_factory.mktemp("sounds"))


COLUMNS = [
    *("Series", "Series of arrays", "Index", "polars Series", "array of paths", "array of Paths"),
    *("column of paths", "column of files"),
]
"""What holds many sounds without a name, and is no list."""

KINDS = [
    *(
        "list of arrays",
        "(rows, samples)",
        "tensor",
        "float64",
        "int16",
        "int32",
        "lists of floats",
        "lists of float32",
    ),
    *("two channels", "two channels of int16", "one channel", "dicts", "dicts of tensors", "paths", "encoded", "pairs"),
    *("list of dicts", "dict of columns", "frame", "Dataset", "Dataset of files"),
    *("bytes", "frame of bytes", "bytes and rates"),
    *COLUMNS,
    *("columns of int16", "(rows, samples) of int16"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_container_gives_the_same_tensors(kind: str, trained: Model, containers: dict[str, Any]):
    """The same sounds give the same tensors and targets, whatever holds them."""
    x, y = containers[kind]
    task = trained.task

    inputs, targets = task.collate(list(task.encode_rows(Feed(task).read(x, y))))

    waves, _ = containers["list of arrays"]
    expected = Wav2Vec2FeatureExtractor()(waves, sampling_rate=RATE, return_tensors="pt")["input_values"]
    torch.testing.assert_close(inputs["input_values"], expected, rtol=0, atol=0)
    assert targets.tolist() == [["high", "low"].index(height) for height in HEIGHTS]


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_are_many_sounds(kind: str, trained: Model, containers: dict[str, Any]):
    """A column of sounds gets one answer for each, as the list of them does."""
    x, _ = containers[kind]

    assert trained.predict(x) == trained.predict(containers["paths"][0])


@pytest.mark.parametrize("kind", [list, np.array], ids=["list", "array"])
def test_sounds_beside_their_rates_are_many(kind: Any, trained: Model):
    """An array of sounds in a dict is one sound with channels beside one rate, and many beside many."""
    x = {"array": np.stack([wave[:1_600] for wave in TONES[:4]]), "sampling_rate": kind([RATE] * 4)}

    assert trained.predict(x) == trained.predict([wave[:1_600] for wave in TONES[:4]])
    assert trained.predict({**x, "sampling_rate": RATE}) == trained.predict([x["array"]])[0]


@pytest.mark.parametrize("kind", ["array", "tensor", "floats", "dict", "path", "Path", "bytes"])
def test_one_sound_gives_one_answer(kind: str, trained: Model, tmp_path: Path):
    """One sound in, one label out, whatever it is."""
    wave = TONES[0]
    wavfile.write(tmp_path / "one.wav", RATE, wave)
    given: dict[str, Any] = {"array": wave, "tensor": torch.from_numpy(wave), "floats": wave.tolist()}
    given |= {"dict": {"array": wave, "sampling_rate": RATE}, "path": str(tmp_path / "one.wav")}
    given |= {"Path": tmp_path / "one.wav", "bytes": (tmp_path / "one.wav").read_bytes()}

    assert trained.predict(given[kind]) == trained.predict([wave])[0]


def test_decoder_of_datasets(trained: Model):
    """The decoder that a Dataset's Audio column gives, where torchcodec is there, is asked for its samples."""

    class Samples:
        data = torch.from_numpy(np.stack([TONES[0], TONES[0]]))
        sample_rate = RATE

    class Decoder:
        def get_all_samples(self) -> Samples:
            return Samples()

    assert trained.predict(Decoder()) == trained.predict(TONES[0])


@pytest.mark.parametrize("told", ["row", "task"])
def test_another_rate_is_resampled(told: str, tiny_wav2vec2: Path):
    """A sound of another rate becomes what scipy makes of it; rows say their rate, or the task does."""
    task = AudioClassification(labels=[0, 1], sampling_rate=8_000 if told == "task" else None)
    model = Model(str(tiny_wav2vec2), task=task, device="cpu")
    waves = [wave[:1_600][::2] for wave in TONES]
    x = waves if told == "task" else [{"array": wave, "sampling_rate": 8_000} for wave in waves]
    model.task.notes.clear()

    inputs, _ = model.task.collate(list(model.task.encode_rows(model.task.read(x, labelled=False))))

    by_hand = [resample_poly(wave, 2, 1).astype(np.float32) for wave in waves]
    expected = Wav2Vec2FeatureExtractor()(by_hand, sampling_rate=RATE, return_tensors="pt")["input_values"]
    torch.testing.assert_close(inputs["input_values"], expected, rtol=0, atol=1e-6)
    assert model.task.notes == ["40 of 40 sounds are resampled to 16,000 Hz."]


def test_features_hold_what_was_given(trained: Model):
    """A feature holds the user's own array, not a processed one."""
    features = trained.task.encode_rows(trained.task.read(TONES, HEIGHTS))

    assert features[3]["audio"].value is TONES[3]


# The feature extractor, and encoders of other kinds


def test_saved_model_answers_the_same(trained: Model, tmp_path: Path):
    """What is saved and loaded answers the same, with its options and its feature extractor."""
    model = model_of(small(), sampling_rate=8_000, max_seconds=0.5)
    model.save(tmp_path / "saved")

    again = keraslike.load(tmp_path / "saved")

    assert (tmp_path / "saved" / "preprocessor_config.json").is_file()
    assert (again.task.sampling_rate, again.task.max_seconds) == (8_000, 0.5)
    np.testing.assert_array_equal(again.predict_logits(TONES), model.predict_logits(TONES))


@pytest.mark.parametrize("folder", ["tiny_wav2vec2", "tiny_wav2vec2_masked"])
def test_pipeline_answers_the_same(folder: str, request: pytest.FixtureRequest, tmp_path: Path):
    """The audio-classification pipeline of transformers reads the directory, and gives the same labels and scores."""
    from transformers import pipeline

    model = Model(str(request.getfixturevalue(folder)), task=NAME, device="cpu")
    model.fit(TONES, HEIGHTS, epochs=1, learning_rate=3e-3, seed=0, verbose=0)
    model.save(tmp_path / "saved")

    answers = pipeline(NAME, str(tmp_path / "saved"), device="cpu")(TONES, top_k=1)

    assert [answer["label"] for [answer] in answers] == model.predict(TONES)
    np.testing.assert_allclose([answer["score"] for [answer] in answers], model.predict_proba(TONES).max(1), atol=1e-6)


def small_whisper() -> Any:
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_source_positions": 50}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = WhisperConfig(
        num_mel_bins=20, vocab_size=20, num_labels=2, classifier_proj_size=8, **heads, **sizes, **ids
    )
    return AutoModelForAudioClassification.from_config(config).eval()


def small_ast() -> Any:
    config = AutoConfig.for_model(
        "audio-spectrogram-transformer", num_mel_bins=32, max_length=48, patch_size=16, num_labels=2, **WIDTH
    )
    return AutoModelForAudioClassification.from_config(config).eval()


FIXED = {
    "whisper": (small_whisper, WhisperFeatureExtractor(feature_size=20, chunk_length=1), 50, 16_000),
    "ast": (small_ast, ASTFeatureExtractor(num_mel_bins=32, max_length=48), 8, 7_920),
}


@pytest.mark.parametrize("kind", FIXED)
def test_encoders_of_one_length(kind: str):
    """Whisper and AST bring every sound to one length: a batch goes through at once, and each answer is its own."""
    make, extractor, length, samples = FIXED[kind]
    network = make()
    model = model_of(network)
    waves = [*TONES[:5], np.tile(TONES[0], 12)]
    model.task.notes.clear()

    features = list(model.task.encode_rows(model.task.read(waves, labelled=False)))
    logits = model.predict_logits(waves)

    with torch.no_grad():
        expected = [
            network(**extractor(wave, sampling_rate=RATE, return_tensors="pt")).logits.numpy() for wave in waves
        ]
    np.testing.assert_allclose(logits, np.concatenate(expected), atol=1e-5)
    assert {feature["length"] for feature in features} == {length}
    assert len(FeatureBatch(features, model.task.collate).parts(WHOLE)) == 1
    assert model.task.notes == [f"1 of 6 sounds are cut at {samples / RATE:g} seconds."]


@pytest.mark.parametrize("kind", FIXED)
def test_encoders_of_one_length_learn(kind: str, tmp_path: Path):
    """They train, and are saved and loaded, as others."""
    network = FIXED[kind][0]()
    network.save_pretrained(tmp_path / "body")
    model = Model(str(tmp_path / "body"), task=NAME, device="cpu")
    history = model.fit(TONES[:8], HEIGHTS[:8], epochs=1, seed=0, verbose=0)

    model.save(tmp_path / "saved")

    assert np.isfinite(history[0]["loss"])
    assert keraslike.load(tmp_path / "saved").predict(TONES) == model.predict(TONES)


def test_feature_extractor_is_given():
    """`tokenizer=` takes a feature extractor; one without a mask is never asked to pad."""
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=8_000, return_attention_mask=False)
    model = Model(small("layer"), task=AudioClassification(labels=[0, 1]), tokenizer=extractor, device="cpu")

    assert model.task.tokenizer is extractor
    assert not model.task.pads


def test_frames_where_the_config_does_not_tell():
    """An encoder that says nothing of its convolutions counts fifty frames a second."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    network = AutoModelForAudioClassification.from_config(
        AutoConfig.for_model(
            "wav2vec2-bert", num_labels=2, classifier_proj_size=8, conv_depthwise_kernel_size=3, **sizes
        )
    ).eval()
    model = model_of(network)

    logits = model.predict_logits([wave[:1_600] for wave in TONES[:3]])

    feature = model.task.encode_rows(model.task.read(TONES[:1], labelled=False))[0]
    assert (feature["length"], feature["width"]) == (5, 1_600)
    assert logits.shape == (3, 2)


# What is refused


WRONG = {
    "samples of 16 bits as floats": (
        [np.full(1_600, 21_000.0)] * 2,
        r"the sound of row 0 \(counted from 0\) holds numbers of type float64, the largest 21000\.(\n|.)*32768\.",
    ),
    "not a number": ([np.full(1_600, np.nan)] * 2, r"row 0 .*the largest nan(\n|.)*np\.isfinite"),
    "whole numbers": ([np.zeros(1_600, np.int64)] * 2, r"row 0 .*of type int64\.(\n|.)*x\.astype\(\"int16\"\)"),
    "too many channels": ([np.zeros((40, 1_600))] * 2, r"row 0 .* has the shape \(40, 1600\)(\n|.)*at most 8 channels"),
    "too many dimensions": ([np.zeros((2, 2, 1_600))] * 2, r"row 0 .* has the shape \(2, 2, 1600\)"),
    "empty": ([np.zeros(1_600), np.zeros(0)], r"row 1 .* has the shape \(0,\)"),
    "too short": (
        [np.zeros(1_600), np.zeros(60)],
        r"row 1 .* has 60 samples at 16,000 Hz, too few for one frame of the network",
    ),
    "no sound": ([np.zeros(1_600), "a"], r"row 1 .* is 'a', a str(\n|.)*decode other files yourself"),
    "missing": ([np.zeros(1_600), None], r"row 1 .* is None, None"),
    "a rate that is none": ([{"array": np.zeros(1_600), "sampling_rate": 0}] * 2, r"row 0 .* has the sampling_rate 0"),
    "a path that is not there": (["a.wav", "b.wav"], r"row 0 .* is 'a.wav', and there is no such file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_sounds(case: str, tiny_wav2vec2: Path):
    """What is no sound is refused before the first step, with its row, what would be right, and the way out."""
    x, text = WRONG[case]

    with pytest.raises(DataError, match=text):
        Model(str(tiny_wav2vec2), task=NAME, device="cpu").fit(x, [0, 1], epochs=1, verbose=0)


def test_file_that_is_no_sound(trained: Model, tmp_path: Path):
    """A file that scipy cannot read is named."""
    (tmp_path / "broken.wav").write_bytes(b"nothing at all")

    with pytest.raises(
        DataError, match=r"the sound of row 0 .* cannot be read: File format .*\n  Expected: a WAV file"
    ):
        trained.predict(str(tmp_path / "broken.wav"))


def wav_of(wave: npt.NDArray[Any]) -> bytes:
    """Give a sound as a WAV file, by scipy."""
    file = io.BytesIO()
    wavfile.write(file, RATE, wave)
    return file.getvalue()


WHOLE_WAV = wav_of((TONES[0] * 32_767).astype(np.int16))
BROKEN = {
    "an opening": (b"RIFFxx", "its header is broken"),
    "half a header": (WHOLE_WAV[:30], "its header is broken"),
    "no samples": (WHOLE_WAV[:4] + (28).to_bytes(4, "little") + WHOLE_WAV[8:36], "its header is broken"),
    "nothing": (b"", "not understood"),
    "another kind": (b"ID3" + bytes(100), "not understood"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_broken_files_are_named(kind: str, as_bytes: bool, tiny_wav2vec2: Path, tmp_path: Path):
    """Whatever is wrong with a WAV file, its row and its name are told before the first step."""
    content, text = BROKEN[kind]
    (tmp_path / "bad.wav").write_bytes(content)
    x = [WHOLE_WAV, content if as_bytes else str(tmp_path / "bad.wav")]
    named = "" if as_bytes else r", '.*bad\.wav',"

    with pytest.raises(DataError, match=rf"the sound of row 1 \(counted from 0\){named} cannot be read: .*{text}"):
        Model(str(tiny_wav2vec2), task=NAME, device="cpu").fit(x, ["high", "low"], epochs=1, verbose=0)


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("kind", ["int16", "float32", "uint8"])
def test_file_that_is_cut_off(as_bytes: bool, kind: str, trained: Model, tmp_path: Path):
    """A file that ends before its header says is refused, with its row and how much of it is there."""
    whole = wav_of(TONES[0].astype(kind))
    (tmp_path / "cut.wav").write_bytes(whole[:-1_000])
    x = [whole, whole[:-1_000] if as_bytes else str(tmp_path / "cut.wav")]
    named = "" if as_bytes else r", '.*cut\.wav',"
    size = TONES[0].size * np.dtype(kind).itemsize

    with pytest.raises(
        DataError, match=rf"row 1 \(counted from 0\){named} is cut off: {size - 1_000:,} of {size:,} by"
    ):
        trained.predict(x)


@pytest.mark.parametrize("kind", ["streamed", "a wrong size of all", "tags behind", "big-endian"])
def test_unusual_files_that_are_whole(kind: str, tmp_path: Path):
    """Files whose samples are all there are read, whatever else their headers say."""
    wave = (TONES[0] * 32_767).astype(np.int16)
    start = WHOLE_WAV.index(b"data")
    unusual = {
        "streamed": b"RIFF" + b"\xff" * 4 + WHOLE_WAV[8 : start + 4] + b"\xff" * 4 + WHOLE_WAV[start + 8 :],
        "a wrong size of all": b"RIFF" + (len(WHOLE_WAV) + 8).to_bytes(4, "little") + WHOLE_WAV[8:],
        "tags behind": WHOLE_WAV + b"LIST" + (4).to_bytes(4, "little") + b"INFO",
        "big-endian": wav_of(wave.astype(">i2")),
    }[kind]

    given, rate = read_sound(unusual)

    np.testing.assert_array_equal(given, wave / np.float32(32_768))
    assert rate == RATE


def test_file_that_breaks_later_is_named(trained: Model, tmp_path: Path):
    """A file that is gone when its batch is read is told with the user's row."""
    for number in range(3):
        (tmp_path / f"{number}.wav").write_bytes(WHOLE_WAV)
    rows = trained.task.read([str(tmp_path / f"{number}.wav") for number in range(3)], labelled=False)
    features = trained.task.encode_rows(rows.take([2, 1]))
    (tmp_path / "1.wav").unlink()

    with pytest.raises(
        DataError, match=r"the sound of row 1 \(counted from 0\) is '.*1\.wav', and there is no such file"
    ):
        trained.task.collate(list(features))


@pytest.mark.parametrize("is_there", [False, True])
def test_file_of_another_kind_is_answered_as_in_a_list(is_there: bool, trained: Model, tmp_path: Path):
    """The path of a file that is not read has the same message alone and in a list."""
    path = tmp_path / "c.mp3"
    if is_there:
        path.write_bytes(b"x")
    with pytest.raises(DataError) as in_a_list:
        trained.predict([str(path)])

    with pytest.raises(DataError) as alone:
        trained.predict(str(path))

    assert str(alone.value) == str(in_a_list.value)
    assert "of a .wav file" in str(alone.value)


@pytest.mark.parametrize("verb", ["predict", "fit"])
def test_array_that_looks_like_one_sound_with_channels(verb: str, trained: Model):
    """Samples in rows and channels in columns are one sound, which a list of one sound says."""
    stereo = np.stack([TONES[0], TONES[0]], axis=-1)

    with pytest.raises(DataError, match=r"shape \(1600, 2\)(.|\n)*one sound with channels(.|\n)*write \[x\]"):
        trained.fit(stereo, HEIGHTS, epochs=1, verbose=0) if verb == "fit" else trained.predict(stereo)
    assert trained.predict([stereo]) == trained.predict([TONES[0]])


def test_sounds_of_eight_bits():
    """Eight bits have their middle at 128, as WAV files hold them."""
    wave, rate = read_sound(np.array([0, 128, 255], dtype=np.uint8))

    assert wave.tolist() == [-1.0, 0.0, 127 / 128]
    assert rate is None


def test_max_length_is_refused(tiny_wav2vec2: Path):
    """Sounds have no tokens to cut: seconds are said by the task."""
    with pytest.raises(ArgumentError, match=r"max_length=5 is given(\n|.)*AudioClassification\(max_seconds=\.\.\.\)"):
        Model(str(tiny_wav2vec2), task=AudioClassification(labels=[0, 1]), max_length=5, device="cpu")


@pytest.mark.parametrize("option", ["sampling_rate", "max_seconds"])
def test_options_above_zero(option: str):
    """A rate and a length are above 0."""
    with pytest.raises(ArgumentError, match=rf"{option}=0 is given"):
        AudioClassification(**{option: 0})


@pytest.mark.parametrize("given", [{"sampling_rate": "16k"}, {"sampling_rate": 8000.5}, {"max_seconds": "3"}], ids=str)
def test_options_are_numbers(given: dict[str, Any]):
    """A rate is a whole number, and a length a number."""
    with pytest.raises(ArgumentError, match=f"{next(iter(given))}="):
        AudioClassification(**given)


def test_rates_in_a_column_of_their_own(tiny_wav2vec2: Path):
    """Bare sounds beside a column of rates are heard at these, not at the processor's."""
    model = Model(str(tiny_wav2vec2), task=AudioClassification(labels=[0, 1]), device="cpu")
    sounds = [np.sin(np.arange(1600) / 5).astype("float32")] * 2

    found = model.predict_logits({"array": sounds, "sampling_rate": [8000, 16000]})

    alone = [{"array": sound, "sampling_rate": rate} for sound, rate in zip(sounds, [8000, 16000], strict=True)]
    np.testing.assert_array_equal(found, model.predict_logits(alone))
    assert np.abs(found[0] - found[1]).max() > 1e-6


def test_wav2vec2_config_is_read(tiny_wav2vec2: Path):
    """The fixtures are what their names say."""
    assert isinstance(AutoConfig.from_pretrained(tiny_wav2vec2), Wav2Vec2Config)
    assert Wav2Vec2ForSequenceClassification.__name__.endswith(AudioClassification.head[0])


# Folders


def write_folder(folder: Path, parts: tuple[str, ...] = ("",), count: int = 12) -> dict[str, list[Path]]:
    """Write sounds into a folder for each height, or into one of those for each part; give their paths as listed."""
    found: dict[str, list[Path]] = {}
    for part in parts:
        for number, (tone, height) in enumerate(zip(TONES[:count], HEIGHTS[:count], strict=True)):
            path = folder / part / height / f"{number:02}.{'WAV' if number == 3 else 'wav'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            wavfile.write(path, RATE, tone)
        found[part] = sorted((folder / part).rglob("*.*"))
    return found


@pytest.mark.parametrize("parts", [("",), ("train", "validation", "test")], ids=["classes", "splits"])
def test_folder_of_class_folders(parts: tuple[str, ...], tiny_wav2vec2: Path, tmp_path: Path):
    """A folder with a folder for each class learns as the list of its paths does, also within folders of splits."""
    listed = write_folder(tmp_path / "data", parts)
    options: dict[str, Any] = {"epochs": 1, "seed": 0, "verbose": 0}
    torch.manual_seed(0)
    model = Model(str(tiny_wav2vec2), task=NAME, device="cpu")
    history = model.fit(str(tmp_path / "data"), **options)
    torch.manual_seed(0)
    by_list = Model(str(tiny_wav2vec2), task=NAME, device="cpu")
    sounds = {part: (list(map(str, paths)), [path.parent.name for path in paths]) for part, paths in listed.items()}
    valid = sounds.get("validation")
    known = by_list.fit(*sounds[parts[0]], **options, **({"validation_data": valid} if valid else {}))

    assert model.labels == ["high", "low"]
    assert history[-1].get("val_loss") == known[-1].get("val_loss")
    assert ("val_loss" in history[-1]) == ("validation" in parts)
    assert torch.equal(weights_of(model.network), weights_of(by_list.network))
    assert model.predict(tmp_path / "data") == by_list.predict(sounds[parts[-1]][0])
    assert model.evaluate(tmp_path / "data", verbose=0) == by_list.evaluate(*sounds[parts[-1]], verbose=0)


def test_folder_without_classes(trained: Model, tmp_path: Path):
    """Sounds side by side have answers, but no labels to learn; y beside a folder is in nobody's order."""
    for number in range(4):
        wavfile.write(tmp_path / f"{number}.wav", RATE, TONES[number])

    assert trained.predict(str(tmp_path)) == trained.predict(TONES[:4])
    with pytest.raises(DataError, match=r"the folder says no labels: its sounds(.|\n)*cat/1\.wav(.|\n)*labels as y"):
        trained.fit(tmp_path, epochs=1, verbose=0)
    with pytest.raises(DataError, match=r"x is the folder '.*', and y is given(.|\n)*sort the sounds into folders"):
        trained.evaluate(tmp_path, HEIGHTS[:4], verbose=0)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("low/more/99.wav", r"low/more/99\.wav"),
        ("99.wav", r"99\.wav"),
        ("train/low/99.wav", r"train/low/99\.wav"),
        ("high/Deep/er/99.Wav", r"high/Deep/er/99\.Wav"),
    ],
)
def test_folder_of_several_depths(more: str, said: str, trained: Model, tmp_path: Path):
    """Sounds that lie deeper, or higher, than others are not left out without a word."""
    write_folder(tmp_path)
    (tmp_path / more).parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(tmp_path / more, RATE, TONES[0])

    with pytest.raises(
        DataError, match=rf"do not lie in one folder for each class: '.*\.wav' and '.*{said}'|{said}' and"
    ):
        trained.evaluate(tmp_path, verbose=0)


def test_folder_with_a_split_twice(trained: Model, tmp_path: Path):
    """Two folders that mean the same split are refused: neither is taken for the whole of it."""
    write_folder(tmp_path, ("train", "Train", "test"))
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system does not tell capitals from small letters")

    with pytest.raises(DataError, match="do not lie in one folder for each class"):
        trained.predict(tmp_path)


def test_folder_with_hidden_files_and_splits_in_capitals(trained: Model, tmp_path: Path):
    """What begins with a dot is nobody's sound; splits and endings may be written in capitals."""
    listed = write_folder(tmp_path, ("Train", "Test"))
    for hidden in (".trash/1.wav", "Test/.DS_Store", "Test/low/._1.wav", "Test/low/notes.txt"):
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_bytes(b"x")

    answers = trained.predict(tmp_path)

    assert answers == trained.predict(list(map(str, listed["Test"])))


@pytest.mark.parametrize("other", [None, "notes.txt", "pets/notes.txt"])
def test_folder_without_sounds(other: str | None, trained: Model, tmp_path: Path):
    """An empty folder, or one of other files, says how one of sounds looks."""
    if other:
        (tmp_path / "pets").mkdir()
        (tmp_path / other).write_text("x")

    with pytest.raises(DataError, match=r"the folder '.*' holds no sound\.\n.*cat/1\.wav"):
        trained.predict(tmp_path)


def test_folder_with_sounds_that_cannot_be_read(trained: Model, tmp_path: Path):
    """A sound of another kind is not passed over: its row and its file are told."""
    write_folder(tmp_path)
    (tmp_path / "low" / "99.mp3").write_bytes(b"ID3")

    with pytest.raises(DataError, match=r"the sound of row 12 \(counted from 0\).*99\.mp3"):
        trained.evaluate(tmp_path, verbose=0)
