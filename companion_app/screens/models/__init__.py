"""The specialists on a device and what happens to them."""
