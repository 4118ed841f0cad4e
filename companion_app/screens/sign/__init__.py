"""Sign updates."""
