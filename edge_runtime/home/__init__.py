"""The language of homes: inventory, words, linking, parsing, resolving, simulating. Standard library and numpy."""
