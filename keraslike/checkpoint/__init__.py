"""What is saved and how it is written: plain state in JSON and safetensors, never a pickle."""

from keraslike.checkpoint.directory import MANIFEST, read_manifest, write_directory
from keraslike.checkpoint.manifest import given_again, manifest_of

__all__ = ["MANIFEST", "given_again", "manifest_of", "read_manifest", "write_directory"]
