"""The version of this workflow. A module of its own: what does not print it need not rerun."""

VERSION = "0.1.0"
