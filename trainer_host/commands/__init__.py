"""The commands of `enigma`: one module per family, with its options and what each command does.

A module's `add(commands)` enters its parsers. It runs for every call of `enigma`, `--help` included, so what is heavy is
imported inside the functions.
"""
