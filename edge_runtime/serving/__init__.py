"""Serves requests: one worker per loaded model, swapped without dropping a request."""
