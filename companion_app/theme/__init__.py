"""Our own look: colour tokens, icons and a dozen widgets over plain Kivy."""
