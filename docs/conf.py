"""Builds the documentation: `python -m sphinx -W --keep-going docs docs/_build`."""

import os
import warnings

# Before anything imports transformers or datasets: building the pages asks no hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import keraslike

project = "keraslike"
author = "the keraslike developers"
copyright = author
release = version = keraslike.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "jupyter_execute"]

html_theme = "furo"
html_title = f"keraslike {release}"

# Docstrings say `name` as the pages do.
default_role = "code"

autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Source", "notes_style"), ("Shapes", "notes_style")]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Pages with {code-cell} blocks run while they are built, and a failing one fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_in_temp = True
nb_merge_streams = True

# What third parties say while they are imported is not about the pages.
warnings.filterwarnings("ignore", category=DeprecationWarning)
