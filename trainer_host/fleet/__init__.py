"""Looks after many devices: who is there, which version each shall run, and how a new one fares, stage by stage."""
