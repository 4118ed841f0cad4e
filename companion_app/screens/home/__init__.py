"""The rooms and things that sentences can be about."""
