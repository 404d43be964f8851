"""Grey images of different sizes, bright above or bright below."""

import numpy as np

from tests.tasks.cases import Case

RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 100, (8 + number % 3, 9)).astype("uint8") for number in range(40)]
PLACES = [["above", "below"][number % 2] for number in range(40)]
for image, place in zip(IMAGES, PLACES, strict=True):
    image[slice(None, 4) if place == "above" else slice(4, None)] += 150

CASE = Case(IMAGES, PLACES, str, "tiny_vit")
