"""What the app does: files on this machine and connections to devices."""
