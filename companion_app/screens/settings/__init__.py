"""How the app looks and behaves, whom it is paired with, and its backups."""
