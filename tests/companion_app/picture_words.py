"""What people would have called things, for the pictures of the documentation; all of it is made up."""

from __future__ import annotations

from .words import Words

_ROWS = (
    ("Where is my parcel? It was due on Monday.", 0),
    ("I was charged twice for the same order.", 1),
    ("The lamp arrived with a broken shade.", 2),
    ("Can you deliver to my neighbour instead?", 0),
    ("Please send the invoice again, I lost it.", 1),
    ("I'd like to return the blue chair.", 2),
    ("The courier left it in the rain.", 0),
    ("When do I get my money back?", 1),
    ("It doesn't fit; can I swap it for a larger one?", 2),
    ("Has order 20311 left the warehouse yet?", 0),
)
PEOPLE = Words(
    event="home-en 1.1.0 now answers, in onnxruntime.",
    spares="it is hot, 61 °C",
    found="Greenhouse",
    pipelines=("Porch camera", "Wake word"),
    log=(
        "tickets answered in 0.8 ms",
        "A bundle was offered",
        "Its signature is good",
        "The disk is nearly full",
        *(f"home-en answered in 0.{at} ms" for at in range(10, 36)),
    ),
    sample=(
        "turn off the big light",
        "turn_off: Kitchen Light",
        "turn_off: Kitchen Light",
    ),
    group="Home",
    tag="ground floor",
    asked=("Dim the reading lamp to 30 %", "And turn the radio on"),
    labels=("delivery", "billing", "returns"),
    questions=("My parcel says delivered, but I was billed again?", "Both, please."),
    dock="Charger",
    place="Sofa",
    fixed="Stairs",
    drawn="Dog's corner",
    why="it is close to something",
    rows=tuple(_ROWS[at % len(_ROWS)] for at in range(30)),
    models=("talk", "tiny-talk"),
    title="A weekend in Lisbon",
    other_title="Names for the cat",
    said="What should I see in Lisbon in one day?",
    answers=(
        "**Alfama** in the morning, then:\n\n- the castle, before noon\n- a tram to Belém\n- the river at sunset",
        "Take tram 28, and get off where you like it.",
    ),
    seen=("eyes", "tram, 0.93"),
    turned="shorter, please",
)
