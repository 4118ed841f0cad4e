"""What a row's sound is to the phrase: the phrase, what sounds nearly like it, or other talk.

Of more talk only that is learnt from which sounds most like the phrase to a network that has learnt the rest.
"""

PHRASE, NEAR, TALK, MORE = "phrase", "near", "talk", "more"
