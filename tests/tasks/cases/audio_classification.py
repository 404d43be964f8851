"""Short tones of two heights and of different lengths."""

import numpy as np

from tests.tasks.cases import Case

RATE = 16_000
HEIGHTS = [["high", "low"][number % 2] for number in range(40)]
SAMPLES = [1_600 + 80 * (number % 5) for number in range(40)]
TONES = [
    (0.5 * np.sin(2 * np.pi * (2_000 if height == "high" else 300) * np.arange(samples) / RATE)).astype("float32")
    for height, samples in zip(HEIGHTS, SAMPLES, strict=True)
]

CASE = Case(TONES, HEIGHTS, str, "tiny_wav2vec2_masked")
