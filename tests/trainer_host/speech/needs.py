"""What tests of speech need of the system."""

from __future__ import annotations

import shutil

import pytest

needs_speech = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng isn't installed (see scripts/system_packages.sh)"
)
needs_flite = pytest.mark.skipif(
    shutil.which("flite") is None, reason="flite isn't installed (see scripts/system_packages.sh)"
)
