"""A conversation as a file: JSON comes back equal, Markdown can't be broken out of, a PDF holds every letter."""

from __future__ import annotations

import re
import stat
import unicodedata
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from companion_app.services import chat_pdf
from companion_app.services.chat_export import to_markdown
from companion_app.services.chat_files import file_name, read_conversation, write_conversation
from companion_app.services.chat_json import ChatFileError, dumps, loads
from companion_app.services.chat_markdown import Growing, blocks, markup
from companion_app.state.chat import Conversation, Model, Picture, Reply, ReplyPhase, Turn
from companion_app.theme.fonts import family_with
from edge_runtime.tasks.knobs import Knobs

ARABIC, CHINESE, EMOJI = "مرحبا بالعالم، كيف حالك؟", "你好，世界", "😀🎉"
ONE = Conversation(
    "0123456789abcdef",
    (Model("http://10.0.0.4:8765", "talk", "talk on Attic"), Model("host", "run:kind", "kind on the host")),
    title="Greetings",
    created=1_700_000_000.0,
    updated=1_700_000_060.5,
    turns=(
        Turn(
            1,
            "Say *hello* in ```three``` scripts",
            (
                Reply(f"# Hello\n\n- {ARABIC}\n- {CHINESE}\n- {EMOJI}\n\n```python\nprint('hi')\n", ReplyPhase.DONE),
                Reply("No\n\n```\nopen fence", ReplyPhase.BROKEN, "The device went away."),
            ),
            Picture("cat.png", "eye", "cat (97 %)"),
            flipped=True,
            vote=0,
        ),
        Turn(2, ARABIC, (Reply("", ReplyPhase.STOPPED, "Stopped by you."),)),
    ),
    knobs=Knobs(0.7, 0.9, 300, 1.1),
    blind=True,
    draft="not sent",
)


def test_json_comes_back_equal(tmp_path: Path) -> None:
    assert loads(dumps(ONE)) == ONE
    said = write_conversation(ONE, "json", str(tmp_path))
    file = tmp_path / "Greetings.json"
    assert str(file) in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_conversation(str(file)) == ONE
    write_conversation(ONE, "json", str(tmp_path))  # beside the first one, never over it
    assert (tmp_path / "Greetings 2.json").exists()
    with pytest.raises(ChatFileError, match="already"):
        write_conversation(ONE, "json", str(file))
    with pytest.raises(ChatFileError, match="no folder"):
        write_conversation(ONE, "md", str(tmp_path / "gone" / "x.md"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXTS, TEXTS, st.floats(0, 1.5), st.sampled_from(ReplyPhase))
@settings(max_examples=25)
def test_json_comes_back_equal_whatever_is_said(text: str, answer: str, temperature: float, phase: ReplyPhase) -> None:
    turn = Turn(1, text, (Reply(answer, phase, ""),))
    one = replace(ONE, turns=(turn,), models=ONE.models[:1], knobs=replace(ONE.knobs, temperature=temperature))
    assert loads(dumps(one)) == one


@given(
    st.lists(st.sampled_from(["```", "~~~", "# ", "> ", "\n", "a", "    ", "- ", "<b>", "---", "[x](y)"]), max_size=12)
)
@settings(max_examples=25)
def test_no_answer_breaks_out_of_its_place_in_markdown(parts: list[str]) -> None:
    """Whatever an answer holds, what comes after it in the file is outside of it."""
    turn = Turn(1, "Q", (Reply("x" + "".join(parts), ReplyPhase.DONE),))
    after = Turn(2, "the next message", (Reply("the end", ReplyPhase.DONE),))
    tokens = MarkdownIt("commonmark").parse(to_markdown(replace(ONE, turns=(turn, after))))
    depth, names = 0, []
    for token in tokens:
        depth += token.nesting if token.type.startswith("blockquote") else 0
        if token.type == "inline" and depth == 0:
            names.append(token.content)
    assert names.count("**You**") == 2
    assert sum(token.type == "heading_open" and token.level == 0 for token in tokens) == 1


def test_markdown_has_all_that_was_said() -> None:
    text = to_markdown(ONE)
    for said in (
        "# Greetings",
        ARABIC,
        CHINESE,
        EMOJI,
        "open fence",
        "The device went away.",
        "cat (97 %)",
        "preferred",
    ):
        assert said in text


def test_a_pdf_has_all_text_in_every_script() -> None:
    pytest.importorskip("fpdf")
    pypdf = pytest.importorskip("pypdf")
    content, lacking = chat_pdf.to_pdf(ONE)
    found = "".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(content)).pages)
    read = _letters(found)
    for said in ("Greetings", "Say *hello*", "print('hi')", "open fence", "The device went away.", "talk on Attic"):
        assert _letters(said) in read
    for word in ARABIC.replace("،", " ").replace("؟", " ").split():
        assert word in read  # joined forms, in the order in which they are spoken
    assert EMOJI[0] in read and EMOJI[1] in read
    if family_with("你") is None:
        assert "你" in lacking and "U+4F60" in read  # no font here: said, and not left out
    else:
        assert _letters(CHINESE) in read
        assert lacking == []


def test_a_letter_that_no_font_has_stands_there_as_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fpdf")
    pypdf = pytest.importorskip("pypdf")
    monkeypatch.setattr("companion_app.services.chat_fonts.family_with", lambda letter: None)
    content, lacking = chat_pdf.to_pdf(replace(ONE, turns=(Turn(1, "a中b"),)))
    assert lacking == ["中"]
    assert "aU+4E2Db" in _letters(pypdf.PdfReader(BytesIO(content)).pages[0].extract_text())


def test_without_the_package_a_pdf_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fpdf", None)
    with pytest.raises(ChatFileError, match="extra"):
        write_conversation(ONE, "pdf", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_names_of_files_hold_nothing_that_leads_elsewhere() -> None:
    assert file_name("../../etc/passwd") == "etc passwd"
    assert file_name("a:b\\c*?\n") == "a b c"
    assert file_name("…") == "chat"
    assert file_name("كيف") == "كيف"


def test_answers_are_drawn_as_markdown_and_never_as_the_apps_own_markup() -> None:
    heading, item, second, code, quote = blocks("# Hi\n\n- **a** `b[0]`\n2) c\n\n```py\nx[1]\n```\n> [b]q[/b] & <i>")
    assert (heading.kind, heading.plain) == ("heading", "Hi")
    assert (item.marker, markup(item, "M")) == ("•", "[b]a[/b] [font=M]b&bl;0&br;[/font]")
    assert second.marker == "2."
    assert (code.kind, code.plain, code.language) == ("code", "x[1]", "py")
    assert quote.quoted and markup(quote, "M") == "&bl;b&br;q&bl;/b&br; &amp; <i>"
    (link,) = blocks("![pic](http://x/y.png) [here](javascript:alert(1)) [there](https://e.org)")
    assert "there (https://e.org)" in link.plain
    assert blocks("```\nunfinished")[0].plain == "unfinished"
    assert len(blocks("x" * 100_000)) == 50


@given(st.text(max_size=200))
@settings(max_examples=40)
def test_any_text_becomes_blocks_whose_markup_is_ours_alone(text: str) -> None:
    for block in blocks(text):
        assert not set(re.findall(r"\[([^\]]*)\]", markup(block, "M"))) - {"b", "/b", "i", "/i", "font=M", "/font"}


PARTS = ["```", "\n", "\n\n", "- ", "1. ", "> ", "# ", "a b", "**b**", "    ", "`c`", "---", "\r\n", "\r", "é😀"]


@given(st.lists(st.sampled_from(PARTS), max_size=30))
@settings(max_examples=60)
def test_a_text_that_grows_becomes_the_blocks_of_the_whole_text(parts: list[str]) -> None:
    growing, text = Growing(), ""
    for part in parts:
        text += part
        found = growing.blocks(text)
    if parts:
        assert found == blocks(text)
    assert growing.blocks("another") == blocks("another")


def test_a_long_answer_is_not_read_again_for_each_word() -> None:
    calls: list[int] = []
    parse = MarkdownIt.parse
    growing, text = Growing(), ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MarkdownIt, "parse", lambda self, src, env=None: calls.append(len(src)) or parse(self, src, env))
        for number in range(200):
            text += f"Paragraph {number} of it.\n\n"
            growing.blocks(text)
    assert max(calls) < 200 < len(text)


def _letters(text: str) -> str:
    """Without spaces and the zeros that pypdf reads between letters of CFF fonts, presentation forms as plain letters."""
    return "".join(unicodedata.normalize("NFKC", text).replace("\0", "").split())
