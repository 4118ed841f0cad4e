"""Where texts begin and end that nobody put in quotes."""

from __future__ import annotations

import time

import pytest

from edge_runtime.language.tool_marks import Reading, Unreadable
from tests.trainer_host.tasks.test_chat_tools import tool

NOTE = tool("create_reminder", "Create a reminder", ("subject",), subject={"type": "string"}, daily={"type": "boolean"})
SEATS = tool("bookTable", "Book a table in a restaurant", ("place", "guests"), place={"type": "string"}, guests={"type": "integer"}, outside={"type": "boolean"})  # fmt: skip
SHOP = tool("add_item", "Put something on the shopping list", ("item",), item={"type": "string"}, quantity={"type": "integer"})  # fmt: skip
SEND = tool("send_message", "Send a message to somebody", ("person", "message"), person={"type": "string"}, message={"type": "string"})  # fmt: skip
CALL = tool("call_person", "Call somebody on the telephone", ("who",), who={"type": "string"})
SONG = tool("play", "Play music", title={"type": "string"}, volume={"type": "integer"})
TIMER = tool("start_timer", "Start a timer", ("minutes",), minutes={"type": "integer"}, seconds={"type": "integer"})


def called(text: str, own: dict[str, object]) -> object:
    """The arguments that words alone settle; None where something required isn't found."""
    one = Reading([{"role": "user", "content": text}], [own, CALL])
    try:
        return one.called("@A")[0]["arguments"]
    except Unreadable:
        return None


@pytest.mark.parametrize(
    ("text", "own", "wanted"),
    [
        ("Create a reminder called pick up the parcel at eight, daily", NOTE, {"subject": "pick up the parcel at eight", "daily": True}),
        ("a daily reminder that says where are you please", NOTE, {"subject": "where are you", "daily": True}),
        ("create a reminder, subject: create a plan", NOTE, {"subject": "create a plan"}),
        ("Please create a reminder without daily and the subject is Don't wait for me!", NOTE, {"subject": "Don't wait for me", "daily": False}),
        ("create a reminder with yoga as the subject, if you can", NOTE, {"subject": "yoga"}),
        ('create a reminder saying "thank you" now', NOTE, {"subject": "thank you"}),
        ("Nick says hello. Create a reminder to buy milk again", NOTE, {"subject": "buy milk"}),
        ("create a reminder, I'm in a hurry", NOTE, None),
        ("create a reminder now, can't you", NOTE, None),
        ("This reminder is for Tom", NOTE, None),
        ("book a table for 4 guests in a restaurant called The Blue River please", SEATS, {"place": "The Blue River", "guests": 4}),
        ("a table for six at Chez Kaya, outside", SEATS, {"place": "Chez Kaya", "guests": 6, "outside": True}),
        ("book a table, 3 times, at Hotel Moon, not outside", SEATS, {"place": "Hotel Moon", "guests": 3, "outside": False}),
        ("put 6 eggs on the shopping list", SHOP, {"item": "eggs", "quantity": 6}),
        ("put three jars of honey on the list", SHOP, {"item": "three jars of honey"}),
        ("the quantity 3 and the item bread, on the list", SHOP, {"item": "bread", "quantity": 3}),
        ("put bread on the list at one", SHOP, {"item": "bread"}),
        ("send a message, person Ann Weber, message: did you get my message", SEND, {"person": "Ann Weber", "message": "did you get my message"}),
        ("send a message to somebody message milk and Bob as the person", SEND, {"message": "milk", "person": "Bob"}),
        ('send Tom a message with the message "hi"', SEND, {"person": "Tom", "message": "hi"}),
        ("a message to my sister", SEND, None),
        ("play something nice", SONG, {}),
        ("play music called Ten Little Birds at 20", SONG, {"title": "Ten Little Birds", "volume": 20}),
        ("play music for two people", SONG, {}),
        ("timer, 3 minutes 30 seconds", TIMER, {"minutes": 3, "seconds": 30}),
        ("timer minutes 3 seconds 30", TIMER, {"minutes": 3, "seconds": 30}),
        ("start a timer for five minutes", TIMER, {"minutes": 5}),
        ("start a timer, ten", TIMER, {"minutes": 10}),
        ("start a timer for twenty-five minutes", TIMER, {"minutes": 25}),
    ],
)  # fmt: skip
def test_words_alone_settle_texts_and_numbers(text: str, own: dict[str, object], wanted: object) -> None:
    assert called(text, own) == wanted


def test_a_letter_stands_for_the_text_that_it_begins() -> None:
    one = Reading([{"role": "user", "content": "Next, create a reminder, don't wait for me, not daily"}], [NOTE])
    call = {"name": "create_reminder", "arguments": {"subject": "don't wait for me", "daily": False}}
    assert one.written("create_reminder", {"subject": "don't wait for me", "daily": False}) == "@A 1 β"
    assert one.called("@A 1 β") == [call]


def test_long_messages_are_read_in_time_that_grows_with_them() -> None:
    began = time.process_time()
    for word in ("please ", "a, ", "if you can\n", "subject ", "as the subject ", '"x" ', "called ", "3 ", "milk and "):
        one = Reading([{"role": "user", "content": "reminder " + word * 400}], [NOTE, SEATS, SEND])
        one.messages()
    assert time.process_time() - began < 60  # what grew faster took minutes
