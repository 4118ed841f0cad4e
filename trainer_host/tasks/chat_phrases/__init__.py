"""What the built-in chat knows: facts with the ways to ask for them, and small talk.

facts.txt: sections "[name]" with questions "?", follow-ups "+", answers "!" and pairs "= a: b". talk.txt: blocks of what a person says
("?") and what is answered ("!"), a blank line between two.
"""
