"""Teachers: whatever produces verified examples for a task. Built in: a grammar of home commands."""
