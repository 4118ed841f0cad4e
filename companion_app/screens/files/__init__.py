"""The app's own dialog for files."""
