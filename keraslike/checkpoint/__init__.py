"""What is saved and how it is written: plain state in JSON and safetensors, never a pickle."""

from keraslike.checkpoint.directory import MANIFEST, read_manifest, write_directory
from keraslike.checkpoint.verbs import SavingVerbs, given_again

__all__ = ["MANIFEST", "SavingVerbs", "given_again", "read_manifest", "write_directory"]
