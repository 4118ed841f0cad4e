"""What the app knows: frozen data and the functions that change it; nothing here imports a widget."""
