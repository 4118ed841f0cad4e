"""The screen where models are trained."""
