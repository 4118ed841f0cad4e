"""What a QR code holds for pairing: where the device is, its certificate, and the one-time code.

    enigma://192.168.1.20:8765/482913?certificate=U0hBLTI1NiBvZiB0aGUgY2VydGlmaWNhdGUsIDMyIGI

Who has it knows the certificate before anything is sent, so that somebody in between doesn't even learn that a pairing is
tried; who types in six digits finds out in the middle of it, at the price of one try.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass

from edge_runtime.errors import BadRequest, NotEquipped

SCHEME = "enigma://"
_LONGEST = 400
_QUIET = 4  # light modules around it, as ISO/IEC 18004 asks
_BLOCKS = {
    (False, False): " ",
    (True, False): "\u2580",
    (False, True): "\u2584",
    (True, True): "\u2588",
}  # halves of a sign
_BLACK_ON_WHITE, _USUAL = "\x1b[38;5;16;48;5;231m", "\x1b[0m"  # of the 256 colours those that no theme changes
_FORM = re.compile(
    r"enigma://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):(?P<port>[1-9]\d{0,4})"
    r"/(?P<code>\d{6})\?certificate=(?P<certificate>[A-Za-z0-9_-]{43})",
    re.ASCII,
)
_WRONG = f"This isn't what 'enigma-edge pair --qr' prints ({SCHEME}ADDRESS:PORT/CODE?certificate=...); copy all of it."


@dataclass(frozen=True)
class Invitation:
    """address: HOST:PORT, which is encrypted. code: six digits. certificate: SHA-256 of the device's, in hex."""

    address: str
    code: str
    certificate: str

    def __str__(self) -> str:
        digest = base64.urlsafe_b64encode(bytes.fromhex(self.certificate)).decode("ascii").rstrip("=")
        return f"{SCHEME}{self.address}/{self.code}?certificate={digest}"

    @property
    def url(self) -> str:
        """For `DeviceClient`."""
        return f"https://{self.address}"


def is_invitation(text: str) -> bool:
    """Whether a text is meant as one, and not as an address."""
    return text.strip().lower().startswith(SCHEME)


def read_invitation(text: str) -> Invitation:
    """An invitation from its text, which must be whole and have nothing else; raises `BadRequest`."""
    found = _FORM.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if found is None or int(found["port"]) > 65535:
        raise BadRequest(_WRONG)
    if found["host"].startswith("["):
        try:
            ipaddress.IPv6Address(found["host"][1:-1])
        except ValueError:
            raise BadRequest(_WRONG) from None
    digest = base64.urlsafe_b64decode(found["certificate"] + "=")
    made = Invitation(f"{found['host']}:{found['port']}", found["code"], digest.hex())
    if str(made) != text.strip():  # two texts must not mean the same: the last sign has bits to spare
        raise BadRequest(_WRONG)
    return made


def drawn(invitation: Invitation) -> str:
    """The QR code in half blocks, black on white whatever the terminal's colours; raises `NotEquipped`."""
    try:
        import segno
    except ImportError:
        raise NotEquipped(
            "Drawing a QR code needs segno: pip install 'enigma[qr]'; without it, type in the code of 'enigma-edge pair'."
        ) from None
    code = segno.make(str(invitation), error="l", micro=False)
    rows = [[bool(dark) for dark in row] for row in code.matrix_iter(border=_QUIET)]
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        blocks = "".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        lines.append(f"{_BLACK_ON_WHITE}{blocks}{_USUAL}\n")
    return "".join(lines)
