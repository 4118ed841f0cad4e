"""Replaces personal data in texts by placeholders: patterns, and check digits where a number has them.

It knows what has a form: e-mail and IP and MAC addresses, phone, card, account, tax and identity numbers, API keys,
logins in URLs, wallets, dates of birth, street addresses. A person's name has none: names are found only behind words
that announce them ("my name is", "Dear Mr", "Mrs"); the extra `pii` (Microsoft Presidio) finds more.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from trainer_host.data.dataset import Json, Row
from trainer_host.errors import TrainerError

_Check = Callable[[str], bool]
_B, _E = r"(?<![\w.@/+-])", r"(?![\w@])"  # a number inside a longer word, version or path is none of these
_CAPITAL = r"[A-ZÀ-ÖØ-ÞĀŁŚŻ][\w'\u2019-]*[a-zß-öø-ÿāłńśź][\w'\u2019-]*"
_NAME = rf"{_CAPITAL}(?:[ ](?:(?:van|von|de|der|den|del|della|di|da|la|le|el|al|bin|ten|ter|zu)[ ])*{_CAPITAL}){{0,3}}"


@dataclass(frozen=True)
class Pattern:
    """kind: names the placeholder, <EMAIL_1>. group: the part that is replaced. check: drops what only looks alike."""

    kind: str
    regex: re.Pattern[str]
    group: int = 0
    check: _Check | None = None


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1 annex B: the check digit of cards; not all digits alike."""
    digits = [int(char) for char in _digits(number)]
    doubled = (2 * d - 9 if 2 * d > 9 else 2 * d for d in digits[-2::-2])
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def mod97(account: str) -> bool:
    """ISO 13616: an IBAN read as a number, country and check digits moved behind, is 1 modulo 97."""
    text = re.sub(r"[ -]", "", account).upper()
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def _weighted(weights: tuple[int, ...], modulus: int, result: int) -> _Check:
    def check(text: str) -> bool:
        digits = [int(char) for char in _digits(text)]
        return len(digits) == len(weights) and sum(map(int.__mul__, weights, digits)) % modulus == result

    return check


def _german_tax(text: str) -> bool:
    """ISO 7064 mod 11,10 over the first ten digits of the Steuer-ID."""
    digits = [int(char) for char in _digits(text)]
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == digits[10]


def _french_insee(text: str) -> bool:
    """Key of the numéro de sécurité sociale: 97 - number mod 97 (Corsica's letters count as 19 and 18)."""
    plain = re.sub(r"[ .]", "", text).upper().replace("2A", "19").replace("2B", "18")
    return plain.isdigit() and 97 - int(plain[:13]) % 97 == int(plain[13:])


def _spanish_dni(text: str) -> bool:
    """The letter of a DNI or NIE is its number modulo 23."""
    plain = re.sub(r"[ .-]", "", text).upper().translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(plain[:8]) % 23] == text[-1].upper()


def _italian_code(text: str) -> bool:
    """Check letter of the codice fiscale (D.M. 23 December 1976)."""
    odd = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ), strict=True))  # fmt: skip
    code = text.upper()
    values = [odd[c] if i % 2 == 0 else int(c) if c.isdigit() else ord(c) - 65 for i, c in enumerate(code[:15])]
    return chr(65 + sum(values) % 26) == code[15]


def _ip(text: str) -> bool:
    import ipaddress

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _phone(text: str) -> bool:
    digits = _digits(text.partition("x")[0]).removeprefix("00")
    date = re.fullmatch(r"\d{2,4}[-./ ]\d{1,2}[-./ ]\d{2,4}", text.strip())
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2 and not date


def _p(kind: str, regex: str, group: int = 0, check: _Check | None = None, flags: int = 0) -> Pattern:
    return Pattern(kind, re.compile(regex, flags), group, check)


# Suffixes of streets: USPS Publication 28, appendix C1, and those of the United Kingdom.
_STREETS = (
    "alley|annex|avenue|ave|bayou|beach|bend|bluff|bluffs|boulevard|blvd|bottom|bridge|brook|brooks|burg|burgs|"
    "bypass|camp|canyon|cape|causeway|center|centers|cliff|cliffs|close|club|common|commons|corner|corners|court|"
    "ct|courts|cove|coves|creek|crescent|crest|crossing|crossroad|curve|dale|dam|divide|drive|dr|estate|estates|"
    "expressway|fall|falls|ferry|flat|flats|ford|fords|forest|forge|forges|fort|freeway|garden|gardens|gateway|"
    "glen|glens|green|greens|grove|groves|harbor|harbors|haven|heights|highway|hill|hills|hollow|inlet|island|"
    "islands|isle|junction|junctions|knoll|knolls|lake|lakes|landing|lane|ln|loaf|lodge|mall|manor|manors|meadow|"
    "meadows|mews|mill|mills|mission|motorway|mount|mountain|mountains|neck|orchard|oval|overpass|park|parks|"
    "parkway|parkways|passage|pike|pine|pines|place|plain|plains|plaza|prairie|radial|ramp|ranch|rapid|rapids|"
    "rest|ridge|ridges|river|road|rd|roads|route|rue|shoal|shoals|shore|shores|skyway|spur|spurs|square|squares|"
    "station|stravenue|street|st|streets|summit|terrace|throughway|trafficway|trail|tunnel|turnpike|underpass|"
    "valley|valleys|via|viaduct|village|villages|ville|vista|walk|walks|way|ways"
)
# Of those, what is counted as often as lived in: only behind a number of three digits and more.
_THINGS = (
    "key|keys|light|lights|point|points|drives|row|run|port|ports|union|unions|view|views|wall|well|wells|land|"
    "pass|spring|springs|track|trace|field|fields|fork|forks|lock|locks|loop|path|stream|branch|extension|"
    "extensions|course|circle|circles"
)
_GERMAN = r"Straße|Strasse|Str\.|Allee|Gasse|Chaussee|Promenade"
_ALSO_GERMAN = rf"{_GERMAN}|Weg|Platz|Ring|Ufer|Damm|Steig"
# What stands behind "Am" or "Im" without being a place, and a number behind it.
_TIMES = (
    r"(?:\w*tag|\w*abend|\w*morgen|Jahr\w*|Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|"
    r"Dezember|Alter|Ende|Anfang|Kapitel|Abschnitt|Artikel|Band|Raum|Zimmer|\w*zimmer|Schnitt|Sommer|Winter|Preis|Wert)\b"
)
_FRENCH = "rue|ruelle|avenue|boulevard|chemin|impasse|allée|quai|rond-point"
_SPANISH = (
    "calle|callej[oó]n|callejuela|avenida|avda\\.|av\\.|plaza|paseo|pasaje|pasadizo|cuesta|ronda|rambla|camino|acceso|"
    "alameda|ca[nñ]ada|glorieta|urbanizaci[oó]n|traves[ií]a|gran v[ií]a|v[ií]al|viale|vicolo|piazza|piazzetta|corso|borgo|"
    "contrada|strada|stretto|rotonda|canale|incrocio|largo"  # Italian ones, too: they go alike
)
_OF = r"(?:(?:de|du|des|la|le|les|l'|d')[ ]?)*"
_LINK = r"(?:(?:de|del|la|las|los|el|di|della|delle|dei|degli|dell')[ ])"
_WORDS = rf"{_LINK}*[A-ZÀ-Þ][\wÀ-ÿ'-]+(?: {_LINK}*[A-ZÀ-Þ][\wÀ-ÿ'-]+){{0,4}}"
_SPANISH_END = r",? ?(?:(?:n\.? ?º? ?)?\d{1,4}\b|s/n\b)(?: (?:Appartamento|Piano|Piso|Puerta) \w+)*(?:, ?\d{5} [A-ZÀ-Þ][\wÀ-ÿ'-]+)?"
_NUMBER = r"\d{1,4} ?[a-z]?(?:[/-]\d{1,4} ?[a-z]?)?\b"
_FLAT = r"(?:(?:Flat|Apt\.?|Apartment|Suite|Studio|Unit) \d{1,4}[A-Za-z]?)"
_NOT_NAMES = frozenset(
    {"all", "team", "everyone", "sir", "madam", "sirs", "there", "customer", "friends", "colleagues", "friend", "user"}
)
# The most telling first: what one pattern took, later ones don't see.
PATTERNS: tuple[Pattern, ...] = (
    _p("KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", flags=re.DOTALL),
    _p("KEY", r"\b(?:sk|pk|rk)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9_-]{16,}\b"),
    _p("KEY", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}\b|\bxox[abpr]-[A-Za-z0-9-]{10,}\b|\bAIza[\w-]{35}\b|\bhf_[A-Za-z0-9]{30,}\b|\bglpat-[\w-]{20,}\b"),
    _p("KEY", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    _p("KEY", r"(?i:\b(?:api[_ -]?key|secret|token|passw(?:or)?d|passphrase)\b['\"]?\s*(?:is|[:=])\s*)['\"]?((?=[^\s'\"]*\d)[^\s'\",;]{8,})", 1),
    _p("LOGIN", r"\b[a-z][a-z0-9+.-]{0,30}://([^\s:/@]+:[^\s/@]+)@", 1),
    _p("EMAIL", r"(?<![\w.+-])[\w.+%-]+@(?:[\w-]+\.)+[^\W\d_]{2,}\b"),
    _p("IBAN", r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}\b", check=mod97),
    _p("MAC", r"(?<![\w:-])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"),
    _p("IP", r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]|\.\d)", check=_ip),
    _p("IP", r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,6}(?![\w:])", check=_ip),
    _p("WALLET", r"\b(?:bc1[ac-hj-np-z02-9]{25,60}|[13][A-HJ-NP-Za-km-z1-9]{25,34}|0x[0-9a-fA-F]{40})\b(?!\.[a-z0-9]{2,4}\b)", check=lambda t: any(c.isdigit() for c in t) and any(c.isalpha() for c in t)),
    _p("CARD", rf"{_B}(?:\d[ -]?){{12,18}}\d{_E}", check=luhn),
    _p("CARD", rf"{_B}(?:5018|5020|5038|5[678]\d\d|6304|6390|6759|676[123]|0604)(?:[ -]?\d{{4}}){{2}}{_E}", check=luhn),
    _p("ID", r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b", check=_italian_code),
    _p("ID", r"\b(?:\d{8}|[XYZxyz]\d{7})[ -]?[A-HJ-NP-TV-Za-hj-np-tv-z]\b", check=_spanish_dni),
    _p("ID", rf"{_B}[12] ?\d{{2}} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{{2}}|2[AB]) ?\d{{3}} ?\d{{3}} ?\d{{2}}{_E}", check=_french_insee),
    _p("ID", r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
    _p("ID", rf"{_B}(?!000|666|9\d\d)\d{{3}}-(?!00)\d{{2}}-(?!0000)\d{{4}}{_E}"),
    _p("ID", rf"{_B}[1-9]\d (?:\d{{3}} ){{2}}\d{{3}}{_E}|{_B}[1-9]\d{{10}}{_E}", check=_german_tax),
    _p("ID", rf"{_B}\d{{11}}{_E}", check=_weighted((1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10, 0)),
    _p("BORN", r"(?i:\b(?:born(?: on)?|date of birth|dob|geboren(?: am)?|geburtsdatum|née? le|nacid[oa] el|nat[oa] il|geboren op)\b:?\s*)(\d{1,4}[-./ ]\d{1,2}[-./ ]\d{2,4}|\d{1,2}\.? [^\W\d_]{3,10},? \d{4}|[A-Z][a-z]{2,8} \d{1,2},? \d{4})", 1),
    _p("PHONE", r"(?<![\w+])(?:\+|00)[1-9]\d{0,2}[ .()/-]{0,2}(?:\(0\))?(?:\d[ .()/-]{0,2}){6,12}\d(?:x\d{1,6})?(?!\w)", check=_phone),
    _p("PHONE", rf"{_B}(?:\(0[1-9]\d{{0,4}}\)[ ./-]{{0,3}}|0[1-9]\d{{0,4}}[ ./-]{{1,3}})\d(?:[ ./-]?\d){{4,10}}{_E}", check=_phone),
    _p("PHONE", rf"{_B}(?:1[-. ])?(?:\(\d{{3}}\) ?|\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}}(?:x\d{{1,6}})?{_E}", check=_phone),
    _p("PHONE", rf"{_B}(?:0[1-9]\d{{7,9}}|3\d{{8,10}}|[6789]\d{{8,9}}){_E}|{_B}[6789]\d{{2}} \d{{2}} \d{{2}} \d{{2}}{_E}|{_B}[6789]\d{{2}} \d{{3}} \d{{3}}{_E}", check=_phone),
    _p("ADDRESS", rf"(?<!\w)(?:{_FLAT},? )?(?:\d{{1,5}}[A-Za-z]? (?:[NSEW]{{1,2}}\.? )?(?:\d{{1,3}}(?:st|nd|rd|th) |(?:[A-Z][\w'.-]+ ){{1,3}})(?i:{_STREETS})|\d{{3,5}} (?:[NSEW]{{1,2}}\.? )?(?:\d{{1,3}}(?:st|nd|rd|th) |(?:[A-Z][\w'.-]+ ){{1,3}})(?i:{_THINGS})|\d{{1,5}} Broadway)\b\.?(?:,? {_FLAT})?(?:,? (?:[A-Z][\w'-]+,? ?){{1,3}}(?:[A-Z]{{1,2}}\d[\dA-Z]? ?\d[A-Z]{{2}}|[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?))?|{_FLAT}|\bP\.? ?O\.? ?Box \d{{1,6}}\b"),
    _p("ADDRESS", rf"\b[A-ZÄÖÜ][\wäöüß.-]{{0,50}}?(?:{_ALSO_GERMAN.lower()}|-(?:{_ALSO_GERMAN})|(?:straat|laan|plein|gracht)) {_NUMBER}(?:, ?(?:\d{{5}}|\d{{4}} ?[A-Z]{{2}}) [A-ZÄÖÜ][\wäöüß-]+)?"),
    _p("ADDRESS", rf"\b(?:[A-ZÄÖÜ][\wäöüß-]{{1,40}} (?:{_GERMAN})|[A-ZÄÖÜ][\wäöüß-]{{1,40}}er (?:{_ALSO_GERMAN})|(?:{_ALSO_GERMAN}) (?:der|des|am|an der|zum|zur) (?:\d{{1,2}}\. )?[A-ZÄÖÜ][\wäöüß-]+) {_NUMBER}(?:, ?\d{{5}} [A-ZÄÖÜ][\wäöüß-]+)?"),
    _p("ADDRESS", rf"\b(?:An der|An den|Auf dem|Auf der|Unter den|Hinter der|Am|Im|Zum|Zur) (?!{_TIMES})[A-ZÄÖÜ][\wäöüß-]+ \d{{1,3}} ?[a-z]?\b(?! ?[A-ZÄÖÜ.%:°]| Uhr)(?:, ?\d{{5}} [A-ZÄÖÜ][\wäöüß-]+)?"),
    _p("ADDRESS", rf"\b\d{{1,4}}(?: ?bis| ?ter)?,? (?:{_FRENCH}|{_FRENCH.title()}|place|cours|passage|route|square|villa) {_OF}[A-ZÀ-Þ][\w'À-ÿ-]+(?: [A-ZÀ-Þ][\w'À-ÿ-]+)*(?:, ?\d{{5}} [A-ZÀ-Þ][\w'À-ÿ-]+)?"),
    # Without a number, too: French addresses of small places have none.
    _p("ADDRESS", rf"(?<![\w-])(?:{_FRENCH}) {_OF}[A-ZÀ-Þ][\w'À-ÿ-]+(?: [A-ZÀ-Þ][\w'À-ÿ-]+)*(?:, ?\d{{5}} [A-ZÀ-Þ][\w'À-ÿ-]+)?"),
    _p("ADDRESS", rf"\b(?:(?i:{_SPANISH})|V[ií]a|vía) {_WORDS}{_SPANISH_END}|\b(?i:gran v[ií]a){_SPANISH_END}"),
    # "via" is English as well.
    _p("ADDRESS", rf"\bvia (?:{_LINK}+[A-ZÀ-Þ][\wÀ-ÿ'-]+|[A-ZÀ-Þ][\wÀ-ÿ'-]+ {_WORDS}){_SPANISH_END}"),
    _p("ADDRESS", rf"(?<![\w.])C(?:/|\./)[ ]?{_WORDS}{_SPANISH_END}|(?<![\w.])C\. (?:{_LINK}+|[A-ZÀ-Þ][\wÀ-ÿ'-]+ ){_WORDS}{_SPANISH_END}"),
    _p("NAME", rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Monsieur|Madame|Mme|Señora?|Sig\.ra|Signora?|Mevrouw|Meneer)\.? ({_NAME})", 1),
    _p("NAME", rf"(?i:\b(?:my|his|her|their) (?:full )?name is|\b(?:i am|i'm) called|\bich hei(?:ß|ss)e|\bje m'appelle|\bme llamo|\bmi chiamo|\bik heet|\bnazywam się|\bname:|\bcontact:|\bpatient:|\bcustomer:) ({_NAME})", 1),
    _p("NAME", rf"(?i:\b(?:best|kind|warm|many)? ?(?:regards|wishes|greetings)|\bsincerely(?: yours)?|\byours (?:truly|sincerely|faithfully)|\bmit freundlichen grüßen|\bcordialement|\bsaludos|\bcordiali saluti),?\s*\n\s*({_NAME})", 1),
    _p("NAME", rf"^(?i:dear|hi|hello|hallo|liebe[r]?|cher|chère|estimad[oa]|gentile|beste) ({_NAME})(?=[,!\n])", 1, lambda t: t.split()[0].lower() not in _NOT_NAMES, re.MULTILINE),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One piece of personal data in a text, `text[start:end]`."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Finding]:
    """What a text holds, in its order, without overlaps."""
    found = _Found()
    for pattern in PATTERNS:
        for match in pattern.regex.finditer(text):
            start, end = match.span(pattern.group)
            if pattern.check is None or pattern.check(match[pattern.group]):
                found.add(Finding(pattern.kind, start, end))
    return found.findings


class _Found:
    """Findings in the order of the text; the first that took a place keeps it."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._starts: list[int] = []

    def add(self, new: Finding) -> None:
        at = bisect.bisect_left(self._starts, new.start)
        if at and self.findings[at - 1].end > new.start:
            return
        if at < len(self._starts) and self._starts[at] < new.end:
            return
        self.findings.insert(at, new)
        self._starts.insert(at, new.start)


class Scrubber:
    """Replaces what `find` (or Presidio) finds; the same value gets the same placeholder as long as it lives.

    presidio: also ask Microsoft's analyzer (extra `pii`), which knows names and places.
    """

    def __init__(self, *, presidio: bool = False) -> None:
        self._find = _presidio() if presidio else find
        self._placeholders: dict[tuple[str, str], str] = {}  # by kind and value without its punctuation
        self._values: dict[str, str] = {}  # by placeholder, as first met
        self._counts: Counter[str] = Counter()
        self.replaced: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """A text with placeholders instead of personal data."""
        out, last = "", 0
        for found in self._find(text):
            out += text[last : found.start] + self._placeholder(found.kind, text[found.start : found.end])
            last = found.end
            self.replaced[found.kind] += 1
        return out + text[last:]

    def value(self, value: object) -> object:
        """A JSON value with all its texts scrubbed; keys of objects stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return value

    def restore(self, text: str) -> str:
        """Put the values back into a text that was made from a scrubbed one, as a paraphrase."""
        return re.sub(r"<[A-Z]+_\d+>", lambda match: self._values.get(match[0], match[0]), text)

    def row(self, row: Row) -> Row:
        """A dataset's row, both sides scrubbed alike."""
        return replace(row, input=self._object(row.input), output=self._object(row.output))

    def _object(self, value: Json) -> Json:
        return {key: self.value(item) for key, item in value.items()}

    def _placeholder(self, kind: str, value: str) -> str:
        plain = re.sub(r"[\s().-]", "", value).lower() if kind not in ("NAME", "ADDRESS") else value
        known = self._placeholders.get((kind, plain))
        if known is None and kind == "NAME":
            names = ((name, made) for (what, name), made in self._placeholders.items() if what == kind)
            known = next((made for name, made in names if _one_person(name, plain)), None)
        if known is None:
            self._counts[kind] += 1
            known = f"<{kind}_{self._counts[kind]}>"
            self._values[known] = value
        self._placeholders.setdefault((kind, plain), known)
        return known


def _one_person(known: str, new: str) -> bool:
    """Whether a first or last name alone stands for a whole name that was met before, or the other way round."""
    first, second = known.lower().split(), new.lower().split()
    short, long = sorted((first, second), key=len)
    return first == second or (len(short) == 1 < len(long) and short[0] in (long[0], long[-1]))


# Of what Presidio knows: times and web addresses are no one's, and the rest is found by `PATTERNS`.
_ENTITIES = {"PERSON": "NAME", "LOCATION": "PLACE"}
_SPACY_SIZES = ("_trf", "_lg", "_md", "_sm")  # the best first


def _presidio() -> Callable[[str], list[Finding]]:
    try:
        import spacy.util
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError:
        raise TrainerError(
            "Presidio isn't installed; install Enigma with the extra 'pii', or leave out --presidio."
        ) from None
    # Presidio's own choice would be downloaded here and now.
    models = [name for name in spacy.util.get_installed_models() if name.startswith("en_core_web")]
    if not models:
        raise TrainerError(
            "Presidio needs spaCy's English model; get it with 'python -m spacy download en_core_web_sm', "
            "or leave out --presidio."
        )
    best = min(sorted(models), key=lambda name: [size not in name for size in _SPACY_SIZES])
    chosen = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": best}]}
    provider = NlpEngineProvider(nlp_configuration=chosen)
    engine = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])

    def both(text: str) -> list[Finding]:
        found = _Found()
        for item in find(text):
            found.add(item)
        for item in engine.analyze(text=text, language="en", entities=list(_ENTITIES)):
            found.add(Finding(_ENTITIES[item.entity_type], item.start, item.end))
        return found.findings

    return both


def texts_of(value: object) -> Iterator[str]:
    """All texts inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
