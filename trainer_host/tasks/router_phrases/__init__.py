"""What people say to each of the twelve tasks: sentence templates in text files, and what may stand in their slots.

A template per line, in hassil's language: (a|b) is a choice, [x] may be missing, {name} is one of `fillers.txt`.
"""
