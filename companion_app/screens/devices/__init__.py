"""The devices that this companion is paired with."""
