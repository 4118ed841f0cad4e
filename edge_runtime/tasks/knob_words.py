"""The words by which people turn knobs, in English, German and Spanish; without accents, in lower case, as beginnings of words.

`knobs.py` reads them. A word means its axis by itself (`MEANS`), or only beside a word for more or less (`NEEDS`).
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# (axis, direction) by the beginning of a word; of several that fit, the longest counts.
MEANS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(
        _words(
            "creativ imaginat imaginac inventiv inventive innovat original surpris random wild crazy craz adventur playful "
            "bold daring unpredict spontan varied variet divers fantas phantas artist poetic quirky weird experiment "
            "loosen expressiv colourful colorful lively inspired unusual imprecis inaccura inexact sloppy "
            "hallucin invent makeup improvis risk riskier dare daringly "
            "kreativ einfallsreich ideenreich originel uberrasch zufall verruckt abenteuer spieler mutig gewagt "
            "unvorherseh abwechslung kunstler poetisch ausgefallen ungewohn locker lebendig bunt ungenau halluzin erfind trau riskier risiko riskant "
            "sorpren aleator loco loca locur aventur jugueton atrevid audaz impredec espontan variad ingenios creatividad "
            "poetic inusual colorid vivaz alucin arries riesgo"
        ),
        ("creative", 1),
    ),
    **dict.fromkeys(
        _words(
            "precis accura exact factual facts focus conservativ predict serious sober strict careful cautious determinis "
            "boring bored reliab consisten coheren literal dry rigor safe stable conventional calm tame sensible "
            "straightforward realis objectiv tighten dull bland "
            "prazis genau exakt akkurat sachlich faktisch fakten fokus konservativ vorherseh ernst nuchtern streng "
            "vorsichtig langweil zuverlass konsisten koharen wortlich trocken sicher stabil konventionel ruhig zahm "
            "vernunftig objektiv brav fade "
            "precis fact hechos enfoc conservador predec serio seria sobri estrict cuidados prudent cautel aburrid soso "
            "fiable seguro segura estable convencional tranquil sensat objetiv centrad"
        ),
        ("creative", -1),
    ),
    **dict.fromkeys(
        _words(
            "long length detail elaborat thorough depth extensiv verbos wordy wordier lengthy expand exhaustiv comprehens "
            "talkativ chatty rambl longwinded waffl "
            "lang langer lange ausfuhr umfang ausgiebig geschwatz redselig weitschweif wortreich grundlich lange "
            "largo larga largos largas alarg extens extiend detall profund exhaust prolij ampli hablador complet enroll"
        ),
        ("length", 1),
    ),
    **dict.fromkeys(
        _words(
            "short brief brevity concis terse succinct compact condens crisp summar snappy pithy laconic abbreviat tothepoint "
            "minimal curt "
            "kurz kuerz knapp bundig kompakt gedrangt zusammenfass lakonisch einsilbig wortkarg "
            "cort acort breve brevedad resum sintetic escuet laconic compact"
        ),
        ("length", -1),
    ),
    **dict.fromkeys(
        _words("repeat repetit redundan monoton wiederhol repit repet reiter sameness dasselbe dieselbe"), ("repetition", 1)
    ),
}  # fmt: skip
# These say nothing by themselves: "tell me more", "higher temperature", "fewer words".
NEEDS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(
        _words(
            "say tell talk speak write word sentence text explain "
            "sag erzahl rede red sprich schreib wort worte worter satz satze erklar "
            "di dime cuenta cuentame habla escrib palabra frase texto explica"
        ),
        ("length", 1),
    ),
    **dict.fromkeys(_words("temperature temperatur temperatura"), ("temperature", 1)),
    **dict.fromkeys(_words("topp nucleus"), ("top_p", 1)),
}
MORE = frozenset(
    _words(
        "more increase raise higher greater up most maximum max mehr erhohe erhohen hoher hohere hoch rauf hinauf meiste "
        "maximal mas sube subir aumenta aumentar mayor maximo alta alto"
    )
)
LESS = frozenset(
    _words(
        "less fewer decrease reduce lower lessen down least weniger reduziere reduzieren senke senken niedriger niedrigere "
        "runter herunter verringere verringern geringer menos reduce reduzca reducir baja bajar disminuye disminuir menor"
    )
)
TOO = frozenset(
    _words("too overly excessively zu allzu ubertrieben uebertrieben demasiado demasiada demasiados demasiadas")
)
NOT = frozenset(
    _words(
        "not nothing dont doesnt cant isnt arent wasnt no never stop quit avoid without nicht nichts nich kein keine keinen keiner nie niemals "
        "ohne horauf vermeide vermeiden statt nunca sin evita evitar deja dejar tampoco ni nada ningun ninguna"
    )
)
ENOUGH = frozenset(_words("enough genug genugend suficiente suficientemente"))
MAY = frozenset(_words("may okay ok allowed fine allow darfst kannst erlaubt puedes permite"))  # of repeating
STRONG = frozenset(
    _words(
        "much lot lots way far really very extremely viel deutlich sehr wesentlich extrem mucho muchisimo muy bastante"
    )
)
SLIGHT = frozenset(
    _words("bit little slightly somewhat touch tad etwas wenig bisschen bissel leicht poco poquito algo ligeramente")
)
UTMOST = frozenset(
    _words("possible possibly moglich moeglich posible fully totally completely vollig total totalmente")
)
RESET = frozenset(
    _words(
        "reset default defaults normal normally zurucksetzen standard normalwerte grundeinstellung restablece restablecer "
        "restaura restaurar predeterminado"
    )
)
# Said as one thing; written here without accents.
IDIOMS = (
    (r"\b(?:calm|tone|settle) (?:\w+ )?down\b|\bkomm runter\b", " calm "),
    (r"\b(?:dont|do not|not|stop|never|without) hold(?:ing)? (?:\w+ )?back\b", " wild "),
    (r"\b(?:let|cut) (?:\w+ )?loose\b|\bgo (?:nuts|wild)\b", " wild "),
    (r"\bout(?:side)? (?:of )?the box\b", " creativ "),
    (r"\bmak(?:e|ing) (?:things|stuff|it|that|facts) up\b", " makeup "),
    (r"\bto the point\b|\bto the chase\b|\b(?:auf den|zum) punkt\b|\bal grano\b", " tothepoint "),
    (r"\bhor(?:e)? (?:\w+ )?auf\b", " horauf "),
    (r"\b(?:the |always )same\b|\blo mismo\b|\bdas gleiche\b|\bover and over\b", " sameness "),
    (r"\b(?:long|drawn) (?:winded|out)\b", " longwinded "),
    (r"\btop p\b", " topp "),
)
BETWEEN = r"[,.;:!?]+(?!\d)|\b(?:and|but|yet|und|aber|doch|sondern|dafur|y|e|pero|sino)\b"
# Words around a wish that change nothing of it; a message that has no others is a wish, and no message for a model.
AROUND = frozenset(
    _words(
        "be please a an the make makes made it its your you youre answer answers reply replies response responses i id me my "
        "like want would could can be being with in to of that thats this is was are were were sound sounding get set give "
        "use let s t m so as now next time just try for were re "
        "sei seien bitte deine dein deinen antwort antworten antworte mach mache du ich will mochte war ist das die der ein "
        "eine einen es dich etwas bist nun jetzt doch mal auf mit im am gib fass fasse wie stell "
        "se sea seas favor por un una unas las los el la tu tus respuesta respuestas responde quiero haz hazlo hazla con mi "
        "me de en lo te es eres fue que tan como ahora pon"
    )
)
