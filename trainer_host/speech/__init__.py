"""Speech for training: synthetic speakers, what they say, and the rooms and noises that they are heard in."""
