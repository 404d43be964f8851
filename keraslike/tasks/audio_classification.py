"""Audio classification: a label for each sound."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from keraslike.data.audio import Wave, is_one_sound, is_sound, read_sound, refuse_channels, resample, with_rates
from keraslike.data.class_folders import open_sound_folder
from keraslike.data.encoding import Features
from keraslike.data.fields import Field
from keraslike.data.media import Stored, Whole, is_other_file
from keraslike.data.rows import Rows
from keraslike.errors import DataError
from keraslike.tasks.media import MediaClassification
from keraslike.tasks.option_checks import as_above_zero, as_whole

PADDED_EXACTLY = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat")
"""Encoders whose answer, given an attention mask, does not depend on the padding, if they normalise by layer.

By groups they normalise over the whole padded length. The others were measured too, in transformers 5.23: Conformers,
data2vec and SEW let padding into the convolutions behind the first ones, and answer differently.
"""

FIXED = ("whisper", "audio-spectrogram-transformer")
"""Encoders whose processor brings every sound to one length."""

FRAMES_PER_SECOND = 50
"""What an encoder makes of a second where its configuration does not tell: all usual ones give about as many."""


class AudioClassification(MediaClassification):
    """One label, several labels, or numbers for each sound.

    Sounds are arrays `(samples,)` of floats from -1 to 1 or of int16, dicts of one under "array" and its
    "sampling_rate", or paths of WAV files; a folder holds a folder for each class. Several channels are averaged;
    another rate than the processor's is resampled. The processor is `Model(tokenizer=)`, the model's own, or one made
    from its configuration; it sees a batch at a time. Encoders that padding would change get sounds of one length at a
    time, whatever the batch holds.

    Args:
        problem_type: as in `TextClassification`.
        labels: as in `TextClassification`.
        targets: how many numbers per sound, for regression before the data are known.
        sampling_rate: samples per second of sounds that do not say theirs; None: that of the processor.
        max_seconds: what a sound is cut at; None: not at all, unless the processor cuts.

    Raises:
        ArgumentError: a rate or a length is not above 0.

    Example:
        >>> AudioClassification(labels=["cat", "dog"], sampling_rate=44100).sampling_rate
        44100
    """

    name: ClassVar[str] = "audio-classification"
    auto_class: ClassVar[str] = "AutoModelForAudioClassification"
    head: ClassVar[str | tuple[str, ...]] = ("ForSequenceClassification", "ForAudioClassification")
    field: ClassVar[Field] = Field(
        "audio", ("speech", "sound", "wave", "waveform", "array", "path", "file", "file_name", "filename"), "a sound"
    )
    processor: ClassVar[str] = "AutoFeatureExtractor"
    part: ClassVar[str] = "feature_extractor"
    way_to_cut: ClassVar[str] = "write task=AudioClassification(max_seconds=...)."

    def __init__(
        self,
        problem_type: str | None = None,
        labels: Sequence[Any] | None = None,
        targets: int | None = None,
        *,
        sampling_rate: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        super().__init__(problem_type, labels, targets)
        wrong, right = "{name}={value!r} is given.", "a whole number above 0, or None."
        self.sampling_rate = (
            None if sampling_rate is None else as_whole("sampling_rate", sampling_rate, 1, wrong, right)
        )
        self.max_seconds = None if max_seconds is None else as_above_zero("max_seconds", max_seconds, wrong)
        self._config: Any = None
        self._shortened = self._resampled = 0

    is_value = staticmethod(is_sound)

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single sound, given to `predict`, from a container of sounds; see `data.audio.is_one_sound`."""
        return is_one_sound(x) or is_other_file(x)

    def open_folder(self, path: str | os.PathLike[str]) -> Any:
        """List the sounds of a folder."""
        return open_sound_folder(path)

    # From rows to tensors

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read any container; a column "sampling_rate" beside bare sounds says theirs.

        Raises:
            DataError: as in `data.media.read_media`; or x looks like one sound with channels.
        """
        refuse_channels(x)
        return with_rates(super().read(x, y, **options), self.field.name)

    def encode_rows(self, rows: Rows) -> Features:
        """Read all sounds once, for their lengths; note how many were cut or brought to another rate."""
        self._shortened = self._resampled = 0
        features = super().encode_rows(rows)
        whole = f"{len(rows):,} {f'{rows.part} sounds'.strip()}"
        if self._resampled:
            self.notes.append(f"{self._resampled:,} of {whole} are resampled to {self.tokenizer.sampling_rate:,} Hz.")
        masked = self._masked_frames
        too_short = sum(feature["length"] < masked for feature in features)
        if too_short:
            self.notes.append(
                f"{too_short:,} of {whole} are shorter than the {masked} frames that SpecAugment hides at a time: "
                "training on them fails unless model.network.wrapped.config.apply_spec_augment = False."
            )
        if self._shortened:
            self.notes.append(f"{self._shortened:,} of {whole} are cut at {self._limit / self._rate:g} seconds.")
        return features

    def measured(self, number: int, value: Whole | Stored) -> Mapping[str, Any]:
        """Read a sound: its frames are its `length`, its samples its `width` where padding would change the answer.

        Raises:
            DataError: it is no sound, or too short for the network.
        """
        place = self.place(number)
        wave, rate = self._read(value.value, place)
        self._resampled += rate != self._rate
        self._shortened += len(wave) > self._limit
        samples = min(len(wave), self._limit)
        length = frames(self._config, int(samples), self._rate)
        if length < 1:
            raise DataError(
                f"{place} has {samples:,.0f} samples at {self._rate:,} Hz, too few for one frame of the network.",
                "sounds that the network can hear.",
                "leave out that row, or check its sampling_rate.",
            )
        return {"length": length} if self.pads or self._is_fixed else {"length": length, "width": int(samples)}

    def opened(self, value: Any, place: str) -> Wave:
        """Give a sound as one channel at the processor's rate, `(samples,)`."""
        return self._read(value, place)[0]

    def _read(self, value: Any, place: str) -> tuple[Wave, int]:
        """Give a sound at the processor's rate, and the rate that it had."""
        wave, own = read_sound(value, place)
        rate = own or self.sampling_rate or self._rate
        return resample(wave, rate, self._rate), rate

    def process(self, values: Sequence[Any]) -> dict[str, Tensor]:
        """Give `input_values`, `(batch, samples)`, or `input_features` of waves; with an attention mask where there is.

        Raises:
            DataError: the sounds differ in length, and padding would change the network's answer.
        """
        waves = [wave if len(wave) <= self._limit else wave[: int(self._limit)] for wave in values]
        lengths = sorted({len(wave) for wave in waves})
        if len(lengths) > 1 and not self.pads and not self._is_fixed:
            raise DataError(
                f"sounds of {lengths[0]:,} to {lengths[-1]:,} samples are to go through together, and this network "
                "has no attention mask that hides padding exactly.",
                "sounds of one length in what is not cut.",
                "use fit, evaluate and predict, which send equal lengths through together.",
            )
        padding = {} if self._is_fixed else {"padding": True}
        return dict(self.tokenizer(waves, sampling_rate=self._rate, return_tensors="pt", **padding))

    @property
    def pads(self) -> bool:
        """Whether sounds of different lengths are padded: the mask hides it, and the answers stay what they are."""
        normalises_frames = getattr(self._config, "feat_extract_norm", None) == "layer"
        has_mask = getattr(self.tokenizer, "return_attention_mask", False)
        is_known = getattr(self._config, "model_type", None) in PADDED_EXACTLY
        return bool(normalises_frames and has_mask and is_known)

    @property
    def _is_fixed(self) -> bool:
        return getattr(self._config, "model_type", None) in FIXED

    @property
    def _masked_frames(self) -> int:
        """How many frames in a row the network hides in training; 0: none."""
        is_masked = getattr(self._config, "apply_spec_augment", False) and getattr(self._config, "mask_time_prob", 0)
        return int(self._config.mask_time_length) if is_masked else 0

    @property
    def _rate(self) -> int:
        rate: int = self.tokenizer.sampling_rate
        return rate

    @property
    def _limit(self) -> float:
        """How many samples a sound may have, by the user's own limit and by the processor's."""
        limits = [] if self.max_seconds is None else [max(round(self.max_seconds * self._rate), 1)]
        if self._is_fixed:
            own = getattr(self.tokenizer, "n_samples", None)  # Whisper's; AST's are frames of 25 ms, each 10 ms on
            limits.append(own or (160 * (self.tokenizer.max_length - 1) + 400))
        return min(limits, default=np.inf)

    # The processor

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        super()._keep_tokenizer(source, config, max_length)
        self._config = config

    def describe(self, network: Any) -> None:
        """Write labels and problem type into the configuration, which is looked at from now on."""
        super().describe(network)
        self._config = getattr(network, "config", self._config)

    def make_processor(self, config: Any) -> Any:
        """Make the processor that goes with this kind of network, with its default of 16,000 Hz."""
        import transformers
        from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING

        kind: Any = FEATURE_EXTRACTOR_MAPPING.get(type(config), None) or transformers.Wav2Vec2FeatureExtractor
        known: dict[str, Any] = {}
        if config.model_type == "wav2vec2-bert":  # it hears spectrograms; the mapping of transformers 5.23 says waves
            kind = transformers.SeamlessM4TFeatureExtractor
        elif config.model_type == "whisper":  # two frames of 10 ms for each position
            known = {"feature_size": config.num_mel_bins, "chunk_length": max(config.max_source_positions // 50, 1)}
        elif config.model_type == "audio-spectrogram-transformer":
            known = {"num_mel_bins": config.num_mel_bins, "max_length": config.max_length}
        elif hasattr(config, "feat_extract_norm"):
            known = {"return_attention_mask": config.feat_extract_norm == "layer"}
        made = kind(**known)
        self.note(f"No feature extractor beside the model: sounds are heard at {made.sampling_rate:,} Hz.")
        return made

    def state(self) -> dict[str, Any]:
        """Give what a classification has learned, and the options of sounds."""
        return {**super().state(), "sampling_rate": self.sampling_rate, "max_seconds": self.max_seconds}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from what `state` gave."""
        task = super().from_state(state)
        task.sampling_rate, task.max_seconds = state["sampling_rate"], state["max_seconds"]
        return task


def frames(config: Any, samples: int, rate: int) -> int:
    """Give how many positions an encoder has for a sound: what its attention goes over, and so what it costs.

    Args:
        config: the network's configuration.
        samples: of the sound.
        rate: samples per second.

    Example:
        >>> from types import SimpleNamespace
        >>> frames(SimpleNamespace(conv_kernel=(10, 3), conv_stride=(5, 2)), 1000, 16000)
        99
    """
    if hasattr(config, "conv_kernel") and hasattr(config, "conv_stride"):
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples
    if getattr(config, "model_type", None) == "whisper":
        return int(config.max_source_positions)
    if hasattr(config, "frequency_stride"):
        high = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
        return int(high * ((config.max_length - config.patch_size) // config.time_stride + 1))
    return samples * FRAMES_PER_SECOND // rate
