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
            "hallucin invent makeup improvis risk riskier dare daringly freer chaos chaotic livel cheek uninhibit "
            "kreativ einfallsreich ideenreich originel uberrasch zufall verruckt abenteuer spieler mutig gewagt "
            "unvorherseh abwechslung kunstler poetisch ausgefallen ungewohn locker lebendig bunt ungenau halluzin erfind trau riskier risiko riskant frech "
            "sorpren aleator loco loca locur aventur jugueton atrevid audaz impredec espontan variad ingenios creatividad "
            "poetic inusual colorid vivaz alucin arries riesgo caos caotic raro rara"
        ),
        ("creative", 1),
    ),
    **dict.fromkeys(
        _words(
            "precis accura exact factual facts focus conservativ predict serious sober strict careful cautious determinis "
            "boring bored reliab consisten coheren literal dry rigor safe stable conventional calm tame sensible "
            "straightforward realis objectiv tighten dull bland stiff wooden rigid robotic grounded truth proven restrained reserved "
            "prazis genau exakt akkurat sachlich faktisch fakten fokus konservativ vorherseh ernst nuchtern streng "
            "vorsichtig langweil zuverlass konsisten koharen wortlich trocken sicher stabil konventionel ruhig zahm "
            "vernunftig objektiv brav fade steif holzern roboterhaft bodenstandig wahrheit zuruckhalt bewiesen erwiesen "
            "precis fact hechos enfoc conservador predec serio seria sobri estrict cuidados prudent cautel aburrid soso "
            "fiable seguro segura estable convencional tranquil sensat objetiv centrad acartonad verdad"
        ),
        ("creative", -1),
    ),
    **dict.fromkeys(
        _words(
            "long length detail elaborat thorough depth extensiv verbos wordy wordier lengthy expand exhaustiv comprehens "
            "talkativ chatty rambl longwinded waffl digress deeper chatter "
            "lang langer lange ausfuhr umfang ausgiebig geschwatz redselig weitschweif wortreich grundlich lange ausschweif einzelheit "
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
    **dict.fromkeys(
        _words(
            "fun humor humour spass diversion spice flair zing zest sparkle verve schwung pfiff pepp wurze chispa salsa gracia vida leben life"
        ),
        ("creative", 1),
    ),
    **dict.fromkeys(_words("essay speech lecture roman romane vortrag rollo discurso sermon"), ("length", 1)),
    **dict.fromkeys(_words("temperature temperatur temperatura"), ("temperature", 1)),
    **dict.fromkeys(_words("topp nucleus"), ("top_p", 1)),
}
MORE = frozenset(
    _words(
        "more increase raise higher greater up most maximum max mehr erhohe erhohen hoher hohere hoch rauf hinauf meiste "
        "maximal add bring ponle anade mas sube subir aumenta aumentar mayor maximo alta alto"
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
        "not nothing dont doesnt cant isnt arent wasnt no never stop quit avoid without skip spare nicht nichts nich kein keine keinen keiner nie niemals "
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
    (r"^(.+?)[,.;:!]+ *(?:so |please |bitte |por favor )?(?:stop|quit|lass|deja|hor auf) (?:it|that|das|damit|eso)\b", r"stop \1"),
    (r"\b(?:stop|dont|do not|never|quit|no) (invent\w*|making up|make up|imagin\w*) (?:\w+ )?facts\b", r"stop \1"),
    (r"\b(was|is|are|were|war|ist|fue|es|ha sido) (?:a bit|a little|a tad|slightly|etwas|ein bisschen|ein wenig|un poco) (?!mas\b|more\b|mehr\b|less\b|menos\b|weniger\b)", r"\1 too "),
    (r"\bgo (?:easy|light) on\b|\bnot so much\b|\btone down\b", " less "),
    (r"\b(schreib|sag|erzahl|mach|sei|red|antworte)e? ruhig (?=\w)", r"\1 "),  # feel free to
    (r"\b(?:calm|tone|settle) (?:\w+ )?down\b|\bkomm runter\b", " calm "),
    (r"\b(?:dont|do not|not|stop|never|without) hold(?:ing)? (?:\w+ )?back\b", " wild "),
    (r"\b(?:let|cut) (?:\w+ )?loose\b|\bgo (?:nuts|wild)\b", " wild "),
    (r"\bout(?:side)? (?:of )?the box\b", " creativ "),
    (r"\bmak(?:e|ing) (?:things|stuff|it|that|facts) up\b", " makeup "),
    # Off the subject, guesses, nonsense: nobody asks for them, so what refuses them is part of it.
    (r"\b(?:dont|do not|never|not|no|stop) (?:\w+ ){0,2}off (?:the )?(?:topic|subject|rails)\b|\boff (?:topic|subject)\b", " calm "),
    (r"\b(?:stay|stick|keep|remain) (?:on|to) (?:the )?(?:topic|subject)\b|\b(?:bleib|bleibe|bleiben) (?:\w+ )?(?:beim|am) (?:thema|ball)\b", " calm "),
    (r"\bschweife? (?:\w+ ){0,2}ab\b|\bno te (?:desvies|salgas)(?: del tema)?\b", " calm "),
    (r"\b(?:dont|do not|no|not|never|stop|without|kein|keine|ohne|sin) (?:\w+ ){0,2}(?:guess|speculat|spekul|especul|adivin|conjetur)\w*", " calm "),
    (r"\b(?:rate|rat|spekuliere|spekulier|vermute) (?:\w+ )?(?:nicht|nichts)\b|\bno (?:especules|adivines|supongas)\b", " calm "),
    (
        r"\b(?:no|less|cut|stop|without|enough|drop|skip|kein|keinen|weniger|schluss|nada|menos|sin|basta) (?:\w+ ){0,2}"
        r"(?:nonsense|rubbish|bullshit|gibberish|unsinn|quatsch|blodsinn|tonterias|disparates|bobadas)\b", " calm ",
    ),
    (r"\b(?:no|without|dont|kein|keine|keinen|nicht|sin) (?:\w+ ){0,3}(?:fairy tales|lies|marchen|lugen|mentiras|cuentos)\b", " calm "),
    (r"\b(?:im|i am|mir ist|ich bin|estoy|me) (?:\w+ )?(?:bored|langweilig|gelangweilt|aburrid[oa]|aburro|aburres)\b|\bsau (?:\w+ )?raus\b", " wild "),
    (r"\b(?:only|just|nur|solo) (?:\w+ ){0,4}(?:sure|certain|know|weisst|sabes|seguro)\b|\bbe (?:more )?(?:certain|sure)\b", " calm "),
    (r"\b(?:rein|reel) (?:\w+ )?in\b|\b(?:keep|get) (?:\w+ )?real\b|\bdown to earth\b|\bfeet on the ground\b", " calm "),
    (r"\ball over the (?:place|map)\b|\bauf dem (?:teppich|boden)\b|\bpies en (?:la|el) (?:tierra|suelo)\b", " calm "),
    (r"\boff the (?:rails|wall)\b|\bout there\b|\b(?:spice|shake|mix|jazz|liven|loosen) (?:\w+ )?up\b", " wild "),
    (r"\blet (?:\w+ )?(?:mind|thoughts|imagination|fancy) \w+|\bdream (?:a (?:little|bit)|big|on)\b", " wild "),
    (r"\bdeja(?:r)? volar (?:\w+ )?(?:imaginacion|fantasia|mente)\b|\bdenke? (?:\w+ )?(?:quer|um die ecke)\b", " wild "),
    (r"\b(?:probier|probiere|versuch|versuche|wag|wage|prueba|intenta|try) (?:\w+ )?(?:was |etwas |algo |something )(?:ganz |really )?(?:neues|anderes|nuevo|distinto|new|different)\b", " wild "),
    # Said of answers, these complain, whatever stands before them.
    (
        r"\b(?:(?:dont|do not|stop|not|nicht|no) (?:\w+ ){0,2}?)?(?:youre|thats|its|you (?:are|sound)|(?:this|that|it) (?:is|sounds)|so|du (?:bist|klingst)|(?:das|es) (?:ist|klingt)|eres|suenas|suena) "
        r"(?:(?!not\b|nicht\b)\w+ ){0,3}?(?:dull|boring|bland|stiff|wooden|rigid|robot(?:ic|er|erhaft)?|langweilig|steif|holzern|fade|aburrid[oa]|sos[oa]|rigid[oa])\b", " wild ",
    ),
    (r"\b(?:crank|turn|dial) up the heat\b|\b(?:crank|turn|dial) the heat up\b", " more temperature "),
    (r"\b(?:turn|dial) down the heat\b|\b(?:turn|dial) the heat down\b", " less temperature "),
    # Short.
    (r"\bto the point\b|\bto the chase\b|\b(?:auf den|zum) punkt\b|\bzur sache\b|\bal grano\b", " tothepoint "),
    (r"\bin a nutshell\b|\b(?:make a )?long story short\b|\bto a minimum\b|\bwrap (?:\w+ )?up\b|\bno (?:\w+ ){0,3}por las ramas\b", " tothepoint "),
    (r"\bhalf (?:as|the) (?:long|length)\b|\bhalb so lang\w*|\b(?:la )?mitad de (?:largo|larga|extens\w*)\b", " tothepoint "),
    (r"\b(?:just|only|nur|bloss|solo) (?:the |das |die |lo )?(?:essentials?|gist|basics|main points?|key points?|wichtigste|wesentliche|notigste|esencial|importante|imprescindible)\b", " tothepoint "),
    (
        r"\b(?:in |en |mit |con )?(?:one|two|three|four|five|a few|a couple of|ein|einem|zwei|drei|vier|paar|una?|dos|tres|cuatro|\d+) "
        r"(?:sentence|line|word|paragraph|satz|wort|zeile|frase|linea|palabra|parrafo)\w*,? "
        r"(?:at (?:the )?most|max|maximum|or (?:less|fewer)|tops|hochstens|maximal|como (?:mucho|maximo)|o menos)\b", " tothepoint ",
    ),
    (r"\b(?:under|below|within|unter|hochstens|maximal|menos de|at most|no more than) (?:\w+ ){1,3}(?:words|sentences|lines|worten?|worter|satzen?|zeilen|palabras|frases|lineas)\b", " tothepoint "),
    (r"\b(?:in|en|mit|con) (?:zwei|drei|two|three|dos|tres) (?:satzen|worten|sentences|lines|words|frases|lineas|palabras)\b", " tothepoint "),
    (r"\bcut (?:out )?(?:the |all )*(?:chatter|chat|waffle|waffling|rambling|small talk)\b", " tothepoint "),
    (r"\b(?:trim|cut|boil|strip|pare|whittle) (?:\w+ )?down\b|\b(?:skip|spare|drop|omit|forget) (?:\w+ ){0,3}details?\b", " tothepoint "),
    (r"\b(?:just|only|in|with|nur|mit|solo|en|con) (?:one|a|a single|two|ein|einem|einen|zwei|una|una sola|un|dos) (?:short |kurzen |kurzem )?(?:sentence|line|word|satz|satze|wort|frase|linea|palabra)s?(?: is enough| will do| basta| genugt| reicht)?\b", " tothepoint "),
    (r"\b(?:one|two|a single|a couple of|yes or) (?:sentence|line|word|no)s? (?:is|are|will|would|should) (?:be )?(?:enough|do|fine|plenty)\b|\bone liners?\b", " tothepoint "),
    (r"\b(?:ein|zwei|ja oder) (?:satz|satze|wort|nein) (?:genugt|genugen|reicht|reichen|langt)\b|\bun[ao]? (?:sol[ao] )?(?:frase|palabra|linea)(?: basta| es suficiente)?$", " tothepoint "),
    (r"\b(?:in|en|con|mit) (?:very |so |muy |ganz )?(?:few|pocas|wenigen|wenig) (?:words|palabras|worten?|lines|lineas|satzen)\b", " tothepoint "),
    (
        r"\b(?:no|dont|not|never|without|kein|keine|keinen|nicht|sin|ningun) (?:\w+ ){0,4}"
        r"(?:essay|novel|speech|lecture|sermon|roman|romane|vortrag|aufsatz|discurso|novela|rollo|testamento?)s?\b", " tothepoint ",
    ),
    # The same again.
    (r"\b(?:the |always )same\b|\blo mismo\b|\bdas gleiche\b|\bover and over\b", " sameness "),
    (r"\byou (?:have |just |already |ve )*said (?:that|this|it)(?: already| before| twice)?\b|\byouve (?:already )?said (?:that|this|it)\b", " sameness "),
    (r"\bhast du (?:\w+ )?(?:schon|bereits)(?: mal| einmal)? (?:gesagt|erzahlt|erwahnt|geschrieben)\b|\bya (?:me )?(?:lo )?(?:has dicho|habias dicho|dijiste)\b", " sameness "),
    (r"\b(?:in|im|en) (?:circles|kreis|circulos)\b|\bbroken record\b|\bdisco rayado\b|\bplatte mit sprung\b", " sameness "),
    (r"\b(?:everything|it|things|alles|todo|cosas) (?:twice|doppelt|zweimal|dos veces)\b", " sameness "),
    (
        r"\b(?:find|use|choose|try|pick|vary|change|nimm|verwende|benutze|such|suche|formuliere?|cambia|varia|usa|busca) (?:\w+ ){0,2}"
        r"(?:(?:new|other|different|andere|neue|otras|nuevas) (?:words|phrases|worter|worte|palabras|expresiones)"
        r"|wording|vocabulary|phrasing|abwechslungsreicher|anders|palabras|vocabulario)\b", " sameness ",
    ),
    # Long.
    (r"\b(?:dont|do not|not|never) (?:leave|miss|skip|omit) (?:\w+ )?(?:anything|a thing|out)(?: out)?\b|\blass (?:\w+ )?nichts (?:weg|aus)\b|\bno (?:te )?(?:dejes|omitas|saltes) nada\b", " longwinded "),
    (r"\b(?:flesh|spell|draw) (?:\w+ )?out\b|\bin full\b|\b(?:full|whole) (?:story|picture)\b|\bnothing left out\b", " longwinded "),
    (r"\b(?:explain|tell|describe|say|cover|include) (?:\w+ )?everything\b|\b(?:erzahl|sag|erklar)e? (?:\w+ )?alles\b|\b(?:cuentamelo|dimelo|explicalo|explicamelo) todo\b", " longwinded "),
    (r"\b(?:naher|genauer|mehr|tiefer) (?:\w+ )?(?:darauf|drauf|eingehen|ins thema)(?: ein)?\b", " longwinded "),
    (r"\bhole? (nicht )?(?:so |zu |etwas |mehr )?weit(?:er)? aus\b", r" \1 longwinded "),
    (r"\bhor(?:e)? (?:\w+ )?auf\b", " horauf "),
    (r"\b(?:long|drawn) (?:winded|out)\b", " longwinded "),
    (r"\btop p\b", " topp "),
)  # fmt: skip
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
