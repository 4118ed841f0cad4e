"""A sandbox for code that a model wrote: no files, no network, no other processes, limits on time and memory."""

from __future__ import annotations

from trainer_host.sandbox.run import Limits, NoSandbox, Outcome, SandboxFailed, run_python

__all__ = ["Limits", "NoSandbox", "Outcome", "SandboxFailed", "run_python"]
