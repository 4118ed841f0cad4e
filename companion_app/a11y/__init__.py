"""The app for people who can't see it or can't point at it: what screen readers are told, and a voice of its own."""
