"""`import keraslike` is light, and shows what there is."""

import subprocess
import sys
from importlib.metadata import metadata

import pytest

import keraslike


def loaded_after(statement: str) -> set[str]:
    """Give the names of the modules that are loaded in a fresh process after the statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_import_is_lazy():
    """`import keraslike` imports no library beyond the standard one: it costs next to nothing."""
    loaded = loaded_after("import keraslike")

    assert not loaded & {"torch", "numpy", "transformers", "poutyne", "datasets", "sklearn", "pandas", "scipy"}


def test_errors_need_no_library():
    """The errors can be named in an `except` without paying for torch."""
    assert "torch" not in loaded_after("import keraslike; keraslike.errors.DataError")


def test_model_brings_no_peers():
    """Importing `Model` does not import Hugging Face's Trainer, accelerate or matplotlib on keraslike's account."""
    ours = loaded_after("from keraslike import Model")
    poutynes = loaded_after("import torch, poutyne, transformers")

    assert not {name for name in ours - poutynes if name.split(".")[0] in {"accelerate", "matplotlib", "tensorboard"}}
    assert "transformers.trainer" not in ours


def test_dir_is_all():
    """`dir(keraslike)` lists the public names and nothing else."""
    assert dir(keraslike) == sorted(keraslike.__all__)


def test_unknown_name():
    """A name that does not exist is an `AttributeError` that says so, as of any module."""
    with pytest.raises(AttributeError, match="module 'keraslike' has no attribute 'Modle'"):
        _ = keraslike.Modle


def test_name_is_imported_once():
    """A name asked for twice is the same object."""
    assert keraslike.History is keraslike.History


def test_version_is_the_installed_one():
    """`__version__` is what pip installed."""
    assert keraslike.__version__ == metadata("keraslike")["Version"]
