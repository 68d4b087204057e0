"""The settings of a run: every key of the configuration, with its type, range and default.

A section of the configuration is a class, and a key is a field. The docstring below a field is its
description. `behrt.schema` writes config.schema.yaml from these classes.
"""
