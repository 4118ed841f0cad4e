"""What a row's sound is to the phrase: the phrase, what sounds nearly like it, or other talk."""

PHRASE, NEAR, TALK = "phrase", "near", "talk"
