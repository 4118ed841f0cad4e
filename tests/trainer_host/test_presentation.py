from __future__ import annotations

import io

from trainer_host.asking import describe, make_request
from trainer_host.presentation import PlainPresenter, RichPresenter, presenter_for
from trainer_host.tables import text_table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_plain_text_and_a_terminal_rich() -> None:
    assert isinstance(presenter_for(io.StringIO()), PlainPresenter)
    assert isinstance(presenter_for(Terminal()), RichPresenter)


def test_plain_text_has_no_escapes_and_rich_shows_brackets_as_they_are() -> None:
    plain, rich = io.StringIO(), Terminal()
    for show, out in ((PlainPresenter(plain), plain), (RichPresenter(rich), rich)):
        show.stage("1 Teach")
        with show.working("teaching") as step:
            step(0.5, "[half] done")
        show.say("a [kitchen] b")
        show.warn("[bold]careful")
        show.table(["sentence", "ms"], [["light [off]\nnow", "1.5"]])
        text = out.getvalue()
        assert "a [kitchen] b" in text and "[bold]careful" in text and "light [off]" in text and "now" in text
    assert "\x1b" not in plain.getvalue()


def test_a_table_lines_up() -> None:
    assert text_table(["name", "ms"], [["a", "10.5"], ["long", "1.5"]]).splitlines() == [
        "name    ms",
        "----  ----",
        "a     10.5",
        "long   1.5",
    ]


def test_answers_are_told_in_a_few_words() -> None:
    call = {"name": "HassLightSet", "arguments": {"brightness": 30}, "targets": ["light.bed"]}
    assert describe("robot", {"calls": [call]}) == "HassLightSet(brightness=30) -> light.bed"
    assert describe("robot", {"calls": [], "question": "Which one?"}) == "Which one?"
    assert describe("robot", {"calls": []}) == "nothing"
    assert describe("router", {"label": "music", "unsure": True}) == "unsure (music?)"
    assert make_request("router", "hello") == {"text": "hello"}
