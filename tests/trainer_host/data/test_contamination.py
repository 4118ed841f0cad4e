from __future__ import annotations

from trainer_host.data.contamination import contamination

EXAM = [
    "turn off the lights in every room but the nursery and the hall",
    "is it going to rain",
    "what would be a good birthday present for my nine year old niece who loves horses and the sea",
]


def test_clean_training_rows_have_no_hit() -> None:
    train = ["switch the fan on", "play some jazz in the kitchen", "is it going to snow", "a present for my nephew"]
    assert contamination(train, EXAM) == []


def test_the_same_a_near_duplicate_and_a_shared_run_are_named() -> None:
    train = [
        "Is it going to rain?",
        "turn off the lights in every room but the nursery and the kitchen",
        "something else",
        "so tell me: present for my nine year old niece who loves horses, any idea what she could like from the shop?",
    ]
    hits = contamination(train, EXAM)
    assert [(hit.train, hit.evaluation) for hit in hits] == [(0, 1), (1, 0), (3, 2)]
    assert hits[0].how == "the same" and hits[1].how == "near-duplicate"
    assert hits[2].how == "shares 'present for my nine year old niece who'"
