"""Small words that tell languages apart, and the scripts that languages are written in."""

from __future__ import annotations

# Code of ISO 639-1 -> its name, for prompts.
LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "sv": "Swedish", "pl": "Polish", "tr": "Turkish", "ru": "Russian", "uk": "Ukrainian",
    "el": "Greek", "he": "Hebrew", "ar": "Arabic", "hi": "Hindi", "th": "Thai", "ja": "Japanese", "ko": "Korean",
    "zh": "Chinese",
}  # fmt: skip
# Those that aren't written in Latin letters.
SCRIPTS = {
    "ru": "cyrillic", "uk": "cyrillic", "el": "greek", "he": "hebrew", "ar": "arabic", "hi": "devanagari",
    "th": "thai", "ja": "kana", "ko": "hangul", "zh": "han",
}  # fmt: skip
STOP_WORDS = {
    code: frozenset(line.split())
    for code, line in {
        "en": "the a an and or of to in is are was were be been it its it's i i'm you your he she we they my me this that"
        " these those what which who how when where why do does did don't can could will would should have has had for"
        " with on at from by not no as if so but there please up out about some any all into than then just let",
        "de": "der die das den dem des ein eine einen einem und oder ist sind war nicht ich du er sie wir ihr mir mich"
        " mein meine dein zu zum zur mit auf für von im ins bei nach wie wer wo warum kann kannst bitte auch noch"
        " es dass wenn aber hast habe haben sein wird werden",
        "fr": "le la les un une des du de et ou est sont je tu il elle nous vous ils mon ma mes ton ta ce cette ces"
        " que qui quoi dans pour avec sur pas ne plus au aux en comment peux peut fait être avoir c'est s'il j'ai"
        " votre notre mais où",
        "es": "el la los las un una unos y o de del es son yo tú él ella nosotros mi mis tu su que qué quién cómo en"
        " para por con no se al lo le está están puede puedes hay muy más pero como este esta tengo quiero favor",
        "it": "il lo la gli le un uno una e o di del della dei è sono io tu lui lei noi mio mia che chi come in per"
        " con non si al alla nel nella questo questa puoi può hai ho molto più ma perché anche cosa favore",
        "pt": "o a os as um uma e ou de do da dos das é são eu você ele ela nós meu minha que quem como em no na para"
        " por com não se ao à isso este esta pode tem tenho muito mais mas também está favor",
        "nl": "de het een en of van is zijn was ik jij je hij zij we wij mijn jouw dat die dit wat wie hoe waar in op"
        " voor met niet geen naar bij aan te kan kun heb heeft ook nog maar als om uit alsjeblieft er",
        "sv": "en ett och eller av är var jag du han hon vi ni de min mitt din det den detta vad vem hur när i på för"
        " med inte till från kan ska har att som om men också på tack mig dig",
        "pl": "i w na z do że się nie jest są to ten ta co kto jak gdzie ja ty on ona my mój moja twój czy dla po od"
        " za może proszę mam ma być był tak ale o",
        "tr": "bir ve veya bu şu o ne kim nasıl nerede ben sen biz siz benim senin için ile değil mi mı mu var yok çok"
        " daha ama da de lütfen olan gibi kadar",
    }.items()
}
