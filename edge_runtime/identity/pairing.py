"""One-time pairing codes: printed on the device only, valid for minutes, void after a few wrong tries."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from pathlib import Path

from edge_runtime.errors import PairingError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.tokens import ROLES

_FILE = "pairing.json"
# Crockford's base 32: no I, L, O, U, so a code survives being read aloud. 8 characters are 40 bits, and five
# tries at 40 bits are a chance of 1 in 200 billion.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKE = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_LENGTH = 8
_NO_CODE = "There is no valid pairing code; run 'enigma-edge pair' on the device for a new one."


def issue_code(identity: IdentityFolder, role: str, minutes: float, tries: int) -> str:
    """Make a code that one client may redeem for a token with this role; it replaces any earlier one."""
    if role not in ROLES:
        raise PairingError(f"A role is {' or '.join(ROLES)}, not '{role[:40]}'.")
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    salt = secrets.token_hex(16)
    with identity.changing():
        identity.write(
            _FILE,
            {
                "hash": _hash(salt, code),
                "salt": salt,
                "role": role,
                "tries": tries,
                "until": time.monotonic() + minutes * 60,
                "boot": _boot(),
            },
        )
    return f"{code[:4]}-{code[4:]}"


def redeem_code(identity: IdentityFolder, given: str) -> str:
    """Use up the code; returns its role. Raises `PairingError`; a wrong code costs one of its tries."""
    code = given.upper().translate(_LOOKALIKE)
    with identity.changing():
        stored = identity.read(_FILE)
        tries, until, role = stored.get("tries"), stored.get("until"), stored.get("role")
        # The monotonic clock, because a device without a battery-backed clock jumps years when it goes
        # online; it starts anew at every boot, and with it every code ends.
        valid = isinstance(until, float) and time.monotonic() < until and stored.get("boot") == _boot()
        if not valid or not isinstance(tries, int) or tries < 1 or role not in ROLES:
            raise PairingError(_NO_CODE)
        # Written before the comparison's result is told, so that a crash can't give a try back.
        if hmac.compare_digest(_hash(str(stored["salt"]), code), str(stored["hash"])):
            identity.write(_FILE, {})
            return str(role)
        left = tries - 1
        identity.write(_FILE, {**stored, "tries": left} if left else {})
    if left:
        raise PairingError(f"The code is wrong; {left} more {'tries' if left > 1 else 'try'}.")
    raise PairingError("The code is wrong, and was the last try; run 'enigma-edge pair' for a new one.")


def _hash(salt: str, code: str) -> str:
    # The file is readable by the device's owner alone, who could issue a code anyway; the hash only keeps a
    # code out of backups and support logs.
    return hashlib.sha256(f"{salt}:{code}".encode("utf-8", "replace")).hexdigest()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
