from __future__ import annotations

import random
import time
import tracemalloc

from trainer_host.data.dedup import SCOPE, NearDuplicates, between, duplicates

WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "el", "irn", "ost", "um", "ava", "eto", "ish")]


def documents(count: int, rng: random.Random, length: int = 24) -> list[str]:
    return [" ".join(rng.choices(WORDS, k=rng.randint(length - 8, length + 8))) for _ in range(count)]


def edited(text: str, rng: random.Random) -> str:
    """At most one word in ten changed, dropped or added."""
    words = text.split()
    for _ in range(rng.randint(1, max(1, len(words) // 10))):
        place = rng.randrange(len(words))
        what = rng.random()
        if what < 0.6:
            words[place] = rng.choice(WORDS)
        elif what < 0.8:
            del words[place]
        else:
            words.insert(place, rng.choice(WORDS))
    return " ".join(words)


def test_planted_near_duplicates_are_found_and_others_are_kept() -> None:
    rng = random.Random(5)
    originals = documents(1000, rng)
    planted = [edited(originals[rng.randrange(1000)], rng) for _ in range(200)]
    dropped = {position for _, position in duplicates([*originals, *planted])}
    assert sum(position >= 1000 for position in dropped) >= 190  # 95 %
    assert sum(position < 1000 for position in dropped) <= 10  # 1 %


def test_the_pair_names_the_text_that_was_kept() -> None:
    text = "please remind me to water the plants on the balcony every evening"
    assert duplicates(["something else entirely", text, text.upper() + "!", text]) == [(1, 2), (1, 3)]


def test_numbers_and_short_texts_are_never_alike_only_the_same() -> None:
    index = NearDuplicates()
    assert index.add("turn the lights on")
    assert index.add("turn the lights off")
    assert not index.add("Turn the lights off!")
    assert index.add("what do you get when you add 17 and 25 and then take away 3")
    assert index.add("what do you get when you add 17 and 26 and then take away 3")
    assert index.add("1 + 2")


def test_texts_are_compared_only_within_their_scope() -> None:
    text = "could you please switch every lamp in the kitchen to a warm white"
    index = NearDuplicates()
    assert index.add(f"home 1{SCOPE}{text}")
    assert index.add(f"home 2{SCOPE}{text}")
    assert not index.add(f"home 1{SCOPE}{text} now")


def test_what_stands_on_both_sides_of_a_split_is_found() -> None:
    rng = random.Random(7)
    train = documents(300, rng)
    held = [*documents(50, rng), *(edited(text, rng) for text in train[:20])]
    found = between(train, held)
    assert {second for _, second in found} >= set(range(52, 70))
    assert all(first == second - 50 for first, second in found if second >= 50)
    assert all(second >= 50 for _, second in found)


def test_memory_grows_with_the_texts_and_not_with_their_pairs() -> None:
    """100,000 lines must fit into 500 MB and 60 s: a twentieth of them is measured here."""
    rng = random.Random(9)
    lines = documents(5_000, rng, 16)
    tracemalloc.start()
    began = time.process_time()
    index = NearDuplicates()
    for line in lines:
        index.add(line)
    took = time.process_time() - began
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(index) > 4_950
    assert held < 25e6
    assert took < 15  # of processor time: this is no benchmark, only a guard against pairs
