"""What is said to a robot that drives about: pack `robot-en` of the task `robot`."""
