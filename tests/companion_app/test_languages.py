"""Words in every language: catalogues, plurals, fallbacks, the order of what is written from the right, fonts."""

from __future__ import annotations

import gettext
import importlib.util
import io
import re
import unicodedata
from pathlib import Path
from types import ModuleType

import pytest

from companion_app import i18n
from companion_app.i18n import bidi
from companion_app.i18n.languages import LANGUAGES, system_language
from companion_app.i18n.pseudo import pseudo
from companion_app.theme.fonts import BUNDLED, covers, family_with

from .untranslated import APP, untranslated

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_catalogues.py"
# Not of the window: what is typed on a command line, a name that others see, SQL, and the language of the models.
ELSEWHERE = {
    "__main__.py": "",
    "chat_store.py": "SELECT|INSERT|DELETE|UPDATE|PRAGMA|CREATE",
    "commands.py": "^Companion on ",
    "host_commands.py": "^Companion on ",
    "remember.py": "token hidden",
    "robot_words.py": "^agreement of gyro and wheels$",
    "registry.py": "two commands|can't be a shortcut|is for",
    "system_dialog.py": "^on run |ended with",  # a script, and an error that nobody is shown
    "signing_words.py": "^enigma release ",
    "ask/screen.py": "coffee machine|reading lamp|room blinds|Rosie",
    "chat.py": r"^\[Picture",
    "fonts.py": "no such table",
    "tokens.py": "#",
    "train_wire.py": "not an object",
    "train_words.py": "^(held-out loss|validation accuracy)$",
    "accesskit_nodes.py": "a text has a line",
    "adapter.py": "there is no window",
    "chat_json.py": "^the file$",
    "chat/screen.kv": "^(Markdown|PDF|JSON)$",
    "robot/screen.py": "^robot.toml$",
}
# As GNU FriBidi 1.0.8 orders them (fribidi --nopad --nobreak, --rtl and --ltr), shapes of letters taken back.
MIXED = (
    ("مرحبا", "ابحرم", "ابحرم"),
    ("Hello مرحبا", "ابحرم Hello", "Hello ابحرم"),
    ("مرحبا Hello", "Hello ابحرم", "ابحرم Hello"),
    ("مرحبا 123", "123 ابحرم", "123 ابحرم"),
    ("Pi 4 في المطبخ", "خبطملا يف Pi 4", "Pi 4 خبطملا يف"),
    ("جهاز Kitchen Pi جاهز", "زهاج Kitchen Pi زاهج", "زاهج Kitchen Pi زهاج"),
    ("السعر 12.50 دولار", "رلاود 12.50 رعسلا", "رلاود 12.50 رعسلا"),
    ("السعر $12.50", "12.50$ رعسلا", "12.50$ رعسلا"),
    ("العنوان 192.168.1.20:8765", "192.168.1.20:8765 ناونعلا", "192.168.1.20:8765 ناونعلا"),
    ("http://192.168.1.20:8765 لا يجيب", "بيجي لا http://192.168.1.20:8765", "http://192.168.1.20:8765 بيجي لا"),
    ("نعم (لا)", "(لا) معن", "(لا) معن"),
    ("(نعم) لا", "لا (معن)", "(معن) لا"),
    ("Press (نعم) now", "now (معن) Press", "Press (معن) now"),
    ("جهاز (Kitchen) هنا", "انه (Kitchen) زاهج", "زاهج (Kitchen) انه"),
    ("50 % من 200", "200 نم % 50", "50 % 200 نم"),
    ("نعم, لا, ربما.", ".امبر ,لا ,معن", "امبر ,لا ,معن."),
    ("A, ب, C, د", "د ,C ,ب ,A", "A, ب, C, د"),
    ("שלום world 42", "world 42 םולש", "םולש world 42"),
    ("שלום (42) world!", "!world (42) םולש", "(42) םולש world!"),
    ("100 MB من 2 GB", "GB 2 نم MB 100", "100 MB 2 نم GB"),
    ("إصدار 1.0.0-beta", "beta-1.0.0 رادصإ", "1.0.0 رادصإ-beta"),
    ("key «مفتاح» name", "name «حاتفم» key", "key «حاتفم» name"),
    ("«enigma-edge pair» على الجهاز", "زاهجلا ىلع «enigma-edge pair»", "«enigma-edge pair» زاهجلا ىلع"),
    ("من 10 إلى 500 مثال", "لاثم 500 ىلإ 10 نم", "لاثم 500 ىلإ 10 نم"),
    ("ملف home-en-1.0.0.enigma", "home-en-1.0.0.enigma فلم", "فلم home-en-1.0.0.enigma"),
    ("a.b@c.d هو البريد", "ديربلا وه a.b@c.d", "a.b@c.d ديربلا وه"),
    ("١٢٣ و 456", "456 و ١٢٣", "456 و ١٢٣"),
    ("C++ و C#", "#C و ++C", "C++ و C#"),
    ("سؤال؟ نعم!", "!معن ؟لاؤس", "معن ؟لاؤس!"),
    ("- نقطة أولى: one", "one :ىلوأ ةطقن -", "- ىلوأ ةطقن: one"),
    ("[x] مهمة", "ةمهم [x]", "[x] ةمهم"),
    ("Ready جاهز Ready جاهز", "زهاج Ready زهاج Ready", "Ready زهاج Ready زهاج"),
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/make_catalogues.py."""
    pytest.importorskip("babel")
    spec = importlib.util.spec_from_file_location("make_catalogues", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_catalogue_is_current_and_whole(script: ModuleType) -> None:
    wanted = script.collected()
    assert set(script.LANGUAGES) | {"en"} == set(LANGUAGES)
    for language in script.LANGUAGES:
        found = script.updated(language, wanted)
        assert script.lacking(found) == [], f"{language}: run scripts/make_catalogues.py, and translate"
        path = script.LOCALES / language / "LC_MESSAGES" / "companion.po"
        assert (path.read_bytes(), path.with_suffix(".mo").read_bytes()) == script.written(found), language


def test_a_text_that_is_put_together_is_refused(script: ModuleType, tmp_path: Path) -> None:
    code = tmp_path / "one.py"
    code.write_text('tr("Ask")\ntr(name)\nntr("a", "b", 2)\n')
    assert list(script.texts_of(code)) == ["Ask", ("a", "b")]
    code.write_text('tr(f"Ask {name}")\n')
    with pytest.raises(ValueError, match=r"one\.py:1"):
        list(script.texts_of(code))
    rule = tmp_path / "one.kv"
    rule.write_text('<A>:\n    text: tr("Ask") if root.on else tr("Stop")\n    on_release: go(tr("Now")); stop()\n')
    assert list(script.texts_of(rule)) == ["Ask", "Stop", "Now"]


def test_no_word_of_the_window_is_left_in_english() -> None:
    left = []
    for path in sorted((*APP.rglob("*.py"), *APP.rglob("*.kv"))):
        allowed = next((pattern for name, pattern in ELSEWHERE.items() if path.as_posix().endswith("/" + name)), None)
        for found in untranslated(path):
            text = found.split(": ", 1)[1].strip("'\"")
            if allowed is None or not re.search(allowed, text.strip()):
                left.append(found)
    assert left == []


def test_untranslated_words_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.companion_app.untranslated.APP", tmp_path / "app")
    rule, code = tmp_path / "a.kv", tmp_path / "a.py"
    rule.write_text(
        '<A>:\n    text: tr("Good") if root.on else "Bad"\n    icon: "bad"\n    hint: root.hint or "More"\n'
    )
    assert [line.rsplit(":", 2)[1] for line in untranslated(rule)] == ["2", "4"]
    code.write_text(
        '"""Words of code."""\nA(text="Ask")\nsay(tr("All is well."))\nlog.info("All is well.")\nb = f"All is {c}."\n'
    )
    assert [line.rsplit(":", 2)[1] for line in untranslated(code)] == ["5", "2"]


def test_plurals_follow_the_rule_of_the_language(script: ModuleType) -> None:
    i18n.use("ar")
    said = [i18n.ntr("{number} specialist", "{number} specialists", number) for number in (0, 1, 2, 3, 11, 100)]
    assert said == ["لا متخصصين", "متخصص واحد", "متخصصان", "3 متخصصين", "11 متخصصًا", "100 متخصص"]
    i18n.use("de")
    assert [i18n.ntr("{number} day", "{number} days", number) for number in (1, 2)] == ["1 Tag", "2 Tage"]


def test_plurals_like_those_of_polish(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    polish = script.Catalog(locale="pl")
    polish.add(("{number} file", "{number} files"), ("{number} plik", "{number} pliki", "{number} plików"))
    file = io.BytesIO()
    script.write_mo(file, polish)
    file.seek(0)
    monkeypatch.setattr(i18n, "_words", gettext.GNUTranslations(file))
    said = [i18n.ntr("{number} file", "{number} files", number) for number in (1, 2, 4, 5, 12, 22, 25)]
    assert [text.split()[1] for text in said] == ["plik", "pliki", "pliki", "plików", "plików", "pliki", "plików"]
    assert i18n.tr("Not in there, {name}.", name="Jan") == "Not in there, Jan."
    assert i18n.ntr("{number} dog", "{number} dogs", 5) == "5 dogs"


def test_a_language_that_is_not_there_speaks_english() -> None:
    i18n.use("xx")
    assert i18n.tr("Ask") == "Ask" and not i18n.right_to_left()
    i18n.use("de")
    assert i18n.tr("Ask") == "Fragen"
    assert i18n.tr("No such text is in any catalogue.") == "No such text is in any catalogue."
    assert i18n.tr("") == ""


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "ar"}, "ar"),
        ({"LANG": "de_DE", "LC_ALL": "es_MX.UTF-8"}, "es"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "fr_FR", "LANGUAGE": "fr:es:de"}, "es"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "de"}, "en"),
    ],
)
def test_the_system_says_which_language(environment: dict[str, str], wanted: str) -> None:
    assert system_language(environment) == wanted


def test_the_made_up_language_is_longer_and_keeps_the_places() -> None:
    text = "Connecting to {name}, {number:,} left."
    said = pseudo(text)
    assert said.startswith("[") and said.endswith("]")
    assert {"{name}", "{number:,}"} <= set(re.findall(r"\{[^}]*\}", said))
    assert len(said) >= 1.4 * len(text)
    i18n.use("pseudo")
    assert "Pi" in i18n.tr("Connecting to {name}.", name="Pi")


@pytest.mark.parametrize(("text", "from_right", "from_left"), MIXED)
def test_mixed_lines_are_ordered_as_fribidi_does(text: str, from_right: str, from_left: str) -> None:
    for base, wanted in (("R", from_right), ("L", from_left)):
        drawn = bidi.unseen(bidi._drawn(text, base))
        assert unicodedata.normalize("NFKC", drawn) == wanted, base


def test_letters_take_the_form_of_their_place() -> None:
    assert bidi.drawn("بالعالم") == "ﻢﻟﺎﻌﻟﺎﺑ"
    assert bidi.drawn("abc") == "abc"


def test_the_first_letter_decides_where_a_line_begins() -> None:
    assert bidi.drawn("Pi مطبخ.") == "Pi ﺦﺒﻄﻣ."
    assert bidi.drawn("مطبخ Pi.") == ".Pi ﺦﺒﻄﻣ"
    # A line of a paragraph that begins in Arabic begins from the right, too.
    assert bidi.drawn("Pi.", "مطبخ Pi.") == ".Pi"
    assert bidi.drawn("85 %") == "85 %"
    i18n.use("ar")
    assert bidi.drawn("85 %") == "% 85"


def test_parts_of_one_style_are_drawn_in_the_order_of_their_line() -> None:
    assert bidi.ordered(["هذا ", "نص ", "عربي"], "R") == [2, 1, 0]
    assert bidi.ordered(["هذا ", "very ", "good ", "نص"], "R") == [3, 1, 2, 0]
    assert bidi.ordered(["see ", "هذا ", "نص ", "there"], "L") == [0, 2, 1, 3]
    assert bidi.ordered([], "R") == []


def test_the_caret_is_where_the_next_letter_comes() -> None:
    places = [bidi.caret("abc", column, len) for column in range(4)]
    assert places == [0, 1, 2, 3]
    assert [bidi.caret("שלום", column, len) for column in range(5)] == [4, 3, 2, 1, 0]
    # Drawn as: ab, then the Hebrew word from its end; typing goes on at the left of what was typed last.
    assert [bidi.caret("ab שלום", column, len) for column in (2, 4, 7)] == [2, 6, 3]
    # Drawn as: the number at the left of the word.
    assert [bidi.caret("שלום 42", column, len) for column in (4, 6, 7)] == [3, 1, 2]


def test_the_app_brings_fonts_for_arabic_and_emoji() -> None:
    arabic, emoji = BUNDLED
    words = (script_word for script_word in ("العربية", "متخصصًا", "ﻢﻟﺎﻌﻟﺎﺑ", "ﻻﻷﻹﻵ", "؟،؛«»"))
    assert all(covers(path, sign) for word in words for sign in word for path in (arabic.regular, arabic.bold))
    assert family_with("ع") == arabic and family_with("😀") == emoji
    assert family_with("\U0010fffd") is None
    assert not covers("/no/such/font.ttf", "a")


def test_the_docs_name_every_language_and_the_option() -> None:
    docs = (SCRIPT.parents[1] / "docs" / "companion.md").read_text(encoding="utf-8")
    section = docs.split("## Languages")[1].split("\n## ")[0]
    assert all(f"({name})" in section for name in LANGUAGES.values())
    assert "`--language " + "\\|".join(LANGUAGES) + "`" in docs
