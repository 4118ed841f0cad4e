"""One-time pairing codes: six digits, printed on the device only, valid for minutes, void after a few runs.

Six digits are enough because nobody can try codes by himself: `handshake` lets one guess for each run, and a run costs
a try before anything is answered. Five tries at a million codes are a chance of 1 in 200,000.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from pathlib import Path

from edge_runtime.errors import BadRequest, PairingError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant, read_grant
from edge_runtime.identity.spake2 import scalar_of

_FILE = "pairing.json"
DIGITS = 6
_BETWEEN = {ord(sign): None for sign in " -\u00a0\u2009\u202f"}
_NO_CODE = "There is no valid pairing code; run 'enigma-edge pair' on the device for a new one."


def issue_code(identity: IdentityFolder, grant: Grant, minutes: float, tries: int) -> str:
    """Make a code that one client may redeem for a token of this grant; it replaces any earlier one."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    with identity.changing():
        identity.write(
            _FILE,
            {
                # Readable by the device's owner alone, who could issue a code anyway.
                "scalar": base64.b64encode(scalar_of(code)).decode("ascii"),
                "grant": grant.plain(),
                "tries": tries,
                "until": time.monotonic() + minutes * 60,
                "boot": _boot(),
            },
        )
    return code


def plain_code(typed: str) -> str:
    """The digits of a code as somebody typed it; raises `BadRequest` where it can't be one."""
    code = typed.translate(_BETWEEN)
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        raise BadRequest(
            f"A pairing code has {DIGITS} digits; 'enigma-edge pair' prints one on a device, 'enigma serve --pair' on a host."
        )
    return code


def take_try(identity: IdentityFolder) -> tuple[bytes, Grant, int]:
    """Use up one try of the code: (its scalar, its grant, how many tries are left); raises `PairingError`."""
    with identity.changing():
        stored = identity.read(_FILE)
        tries, until = stored.get("tries"), stored.get("until")
        # The monotonic clock, because a device without a battery-backed clock jumps years when it goes
        # online; it starts anew at every boot, and with it every code ends.
        valid = isinstance(until, float) and time.monotonic() < until and stored.get("boot") == _boot()
        found = stored.get("grant")
        try:
            grant = read_grant(found) if isinstance(found, dict) else None
        except BadRequest:
            grant = None
        if not valid or not isinstance(tries, int) or tries < 1 or grant is None:
            raise PairingError(_NO_CODE)
        # Written before anything is answered, so that a crash can't give a try back.
        identity.write(_FILE, {**stored, "tries": tries - 1})
    return base64.b64decode(str(stored["scalar"])), grant, tries - 1


def use_up(identity: IdentityFolder, scalar: bytes) -> None:
    """End the code of this scalar; raises `PairingError` where it has ended already, or another took its place."""
    with identity.changing():
        now = base64.b64decode(str(identity.read(_FILE).get("scalar", "")))
        if not hmac.compare_digest(now, scalar):
            raise PairingError(_NO_CODE)
        identity.write(_FILE, {})


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
