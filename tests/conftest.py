"""What all tests share: nobody's own keys are used, and no key of a test gets into somebody's keyring."""

from __future__ import annotations

import os

os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
for _name in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL")) or "PASSPHRASE" in name]:
    del os.environ[_name]
