"""The built-in teacher of pack `robot-en`: sentences to a robot that drives about, in places that it has never seen."""
