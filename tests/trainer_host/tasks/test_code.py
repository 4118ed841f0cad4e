from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fastjsonschema
import pytest

from edge_runtime.language.code_marks import CodeReading
from edge_runtime.tasks import code as device
from trainer_host.errors import DataError
from trainer_host.sandbox import NoSandbox
from trainer_host.sandbox.run import find_way
from trainer_host.tasks import Example, Json, Rejected, task_spec
from trainer_host.tasks.code_built_in import code_of, compiled, function
from trainer_host.tasks.code_families import FAMILIES
from trainer_host.tasks.code_wording import MORE, reworded, spelled
from trainer_host.tasks.phrases import TEMPLATE, Grouped
from trainer_host.tasks.wording import check_wording

ROOT = Path(__file__).parents[3]
SPEC = task_spec("code")
RIGHT: Json = {
    "prompt": "Return the sum of the even numbers in a list, 0 for an empty one.",
    "signature": "def sum_even(values: list[int]) -> int:",
    "code": 'def sum_even(values: list[int]) -> int:\n    """Add up the even values."""\n'
    "    return sum(value for value in values if value % 2 == 0)\n",
    "tests": ["assert sum_even([1, 2, 4]) == 6", "assert sum_even([]) == 0", "assert sum_even([-2, 3]) == -2"],
}
HEAD = 'def sum_even(values: list[int]) -> int:\n    """Add up the even values."""\n'
SUM = "    return sum(value for value in values if value % 2 == 0)\n"


def body(text: str) -> Json:
    return {"code": HEAD + text}


def examined(*texts: object) -> Json:
    return {"tests": list(texts)}


PLANTED: list[tuple[Json, str, str]] = [
    (body("    return sum(value for value in values\n"), "doesn't parse", "line"),
    (body("    return sum(v for v in values if v % 2)\n"), "tests fail", "own test"),
    (body("    return sum(v for v in values if v % 2 = 0)\n"), "doesn't parse", "isn't Python"),
    (body("    return total\n"), "code breaks", "NameError"),
    (body("    while True: pass\n"), "never ends", "endless"),
    (body("    return 10 ** 10 ** 9\n"), "never ends", "endless"),
    (body("    return sum([bytes(10 ** 10)])\n"), "breaks its limits", "memory"),
    (body("    return sum_even(values)\n"), "code breaks", "RecursionError"),
    (body("    raise SystemExit\n"), "code breaks", "SystemExit"),
    (body("    raise RuntimeError('x' * 10 ** 6)\n"), "code breaks", "RuntimeError"),
    (body("    import os\n    os._exit(0)\n"), "forbidden import", "os"),
    (body("    return __import__('os').getpid()\n"), "forbidden name", "__import__"),
    (body("    return eval('sum(values)')\n"), "forbidden name", "eval"),
    (body("    return values.__class__\n"), "forbidden name", "__class__"),
    (body("    return (v for v in values).gi_frame.f_back\n"), "forbidden name", "f_back|gi_frame"),
    (body("    match values:\n        case list(__class__=c):\n            return c\n"), "forbidden name", "__class__"),
    (body("    return open('/etc/passwd').read()\n"), "forbidden name", "open"),
    (body("    print(values)\n" + SUM), "forbidden name", "print"),
    (body("    global x\n" + SUM), "forbidden name", "global"),
    ({"code": "import socket\n" + HEAD + SUM}, "forbidden import", "socket"),
    ({"code": "from . import x\n" + HEAD + SUM}, "forbidden import", "allowed are"),
    ({"code": "import random\n" + HEAD + SUM}, "forbidden import", "random"),
    ({"code": "from operator import attrgetter\n" + HEAD + SUM}, "forbidden name", "attrgetter"),
    ({"code": "import datetime\n" + HEAD + "    return datetime.date.today().day\n"}, "depends on the clock", "today"),
    ({"code": HEAD + SUM + "sum_even([1])\n"}, "code outside functions", "Line 4"),
    ({"code": HEAD + SUM + "while True: pass\n"}, "code outside functions", "Line 4"),
    ({"code": HEAD + SUM + HEAD + SUM}, "signature differs", "once"),
    ({"code": "class A:\n    def __eq__(self, other): return True\n" + HEAD + "    return A()\n"}, "forbidden name", "__eq__"),
    ({"code": "def sum_even(values: list[int]) -> int:\n" + SUM}, "no docstring", "docstring"),
    ({"code": HEAD.replace("values", "numbers") + SUM}, "signature differs", "signature"),
    ({"code": "x = 1"}, "signature differs", "define"),
    ({"code": ""}, "signature differs", "define"),
    ({"code": None}, "wrong form", "text"),
    ({"code": HEAD + SUM + "# " + "x" * 5000}, "too long", "4000"),
    ({"code": "x" * 10**6}, "too long", "4000"),
    ({"code": HEAD + "    return \x00\n"}, "wrong form", "control"),
    (body("    return " + "(" * 900 + "1" + ")" * 900 + "\n"), "doesn't parse", "Python"),
    (body("    return " + "-" * 3800 + "1\n"), "too deeply nested|doesn't parse", "The code"),
    (body("    return values" + ".copy()" * 500 + "\n"), "too deeply nested", "nested"),
    (body("    return values" + "[0]" * 1200 + "\n"), "too deeply nested", "nested"),
    ({"signature": "sum_even(values)"}, "doesn't parse", "signature"),
    ({"signature": "def sum_even(values: list[int]) -> str:"}, "signature differs", "signature"),
    ({"signature": "def sum_even(values): pass\nx = 1"}, "doesn't parse", "signature"),
    ({"signature": "x"}, "doesn't parse|signature differs", "signature"),
    ({"prompt": ""}, "wrong form", "prompt"),
    ({"prompt": "I'm sorry, but I can't help you with writing that function for you."}, "refusal", "refuses"),
    ({"prompt": "Sure, here is what to do: sum the even numbers of a list."}, "template leak", "prompt"),
    ({"prompt": "Return the sum of the even numbers in a list, and"}, "truncated", "middle"),
    ({"prompt": "Gib die Summe der geraden Zahlen einer Liste zurück, und null, wenn die Liste leer ist."}, "wrong language", "de"),
    ({"prompt": 7}, "wrong form", "prompt"),
    (examined("assert sum_even([1, 2]) == 2"), "wrong number of tests", "3 to 12"),
    (examined(*(f"assert sum_even([{n}]) == 0" for n in range(1, 41, 2))), "wrong number of tests", "3 to 12"),
    (examined(*["assert sum_even([2]) == 2"] * 3), "bad test", "same"),
    (examined("assert True", "assert 1 == 1", "assert sum_even([2]) == 2"), "bad test", "call"),
    (examined("sum_even([2]) == 2", "x = 1", "assert sum_even([2]) == 2"), "bad test", "one assert"),
    (examined("assert sum_even([2]) == 2; assert True", "assert sum_even([4]) == 4", "assert sum_even([6]) == 6"), "bad test", "one assert"),
    (examined("assert sum_even([2]) = 2", "assert sum_even([]) == 0", "assert sum_even([1]) == 0"), "doesn't parse", "test"),
    (examined("assert __import__('os') and sum_even([])", "assert sum_even([]) == 0", "assert sum_even([1]) == 0"), "forbidden name", "__import__"),
    (examined(1, 2, 3), "wrong form", "text"),
    (examined("assert sum_even(" + "[" * 90 + "]" * 90 + ")", "assert sum_even([]) == 0", "assert sum_even([1]) == 0"), "too deeply nested|doesn't parse", "test"),
    ({"tests": "assert sum_even([]) == 0"}, "wrong form", "list"),
    (examined("assert sum_even([]) == 0", "assert sum_even([1]) == 0", "assert sum_even([3, 5]) == 0"), "vacuous tests", "returns 0"),
    (examined("assert sum_even([2]) == 2", "assert sum_even([1, 2]) == 2", "assert sum_even([2, 3]) == 2"), "vacuous tests", "returns 2"),
    (examined("assert sum_even([1]) is not None or True", "assert sum_even([2]) or True", "assert sum_even([]) in (0, None)"), "vacuous tests", "returns None"),
    (examined("assert isinstance(sum_even([]), int)", "assert sum_even([1]) >= 0", "assert sum_even([2]) >= 0"), "vacuous tests", "returns"),
    (examined("assert sum_even([1, 2]) == 3", "assert sum_even([]) == 0", "assert sum_even([4]) == 4"), "tests fail", r"sum_even\(\[1, 2\]\) == 3"),
    ({"code": "def end(n):\n    raise SystemExit('x')\n" + HEAD + SUM, "tests": ["assert sum_even([2]) == 2 or end(1)", *list(RIGHT["tests"])[:2]]}, "breaks its limits", "other functions"),  # type: ignore[call-overload]
    (examined("assert sum_even([]) == len(f\'\'\'{\"\"\"a\nb\"\"\"}\'\'\')", "assert sum_even([]) == 0", "assert sum_even([2]) == 2"), "bad test", "several lines"),
    ({"more": 1}, "wrong form", "more"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _isolated() -> None:
    try:
        find_way()
    except NoSandbox as cause:
        pytest.skip(str(cause))


def made(**changed: object) -> Example:
    return SPEC.verify({}, [{**RIGHT, **changed}])


@pytest.mark.parametrize(("changed", "reason", "said"), PLANTED)
def test_a_planted_wrong_answer_is_refused_for_its_reason(changed: Json, reason: str, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(Rejected, match=said) as caught:
        SPEC.verify({}, [{**RIGHT, **changed}])
    assert caught.value.reason in reason.split("|")
    assert len(caught.value.detail) < 1000
    assert time.monotonic() - began < 60  # mostly the sandbox's own limits, on a busy machine


def test_right_code_passes_with_other_functions_imports_and_constants() -> None:
    SPEC.check(made())
    made(code='"""A module."""\nfrom __future__ import annotations\n' + HEAD + SUM)
    made(code="import math\nfrom collections import Counter\n\nZERO: int = 0\n\n\ndef even(v: int) -> bool:\n    return v % 2 == ZERO\n\n\n" + HEAD + "    return sum(filter(even, values))\n")  # fmt: skip
    made(tests=["assert sum_even(\n    [2, 4]\n) == 6", "assert sum_even([]) == 0, 'empty'", "assert [sum_even([n]) for n in (1, 2)] == [0, 2]"])  # fmt: skip
    made(signature="def sum_even(values: list[int]) -> int")


def test_what_the_rules_overlook_the_sandbox_holds(tmp_path: Path) -> None:
    target = tmp_path / "planted"
    reach = f"import statistics\n{HEAD}    statistics.random._os.mkdir({str(target)!r})\n"
    bare: dict[str, object] = {}
    with pytest.raises(Rejected, match="Operation not permitted"):
        made(code=reach + SUM)
    assert SPEC.score(made().output, {"code": reach + SUM}) == 0.0
    assert not target.exists()
    exec(reach + SUM, bare)  # the same without a sandbox, to show that it works there
    assert callable(bare["sum_even"]) and bare["sum_even"]([2]) == 2
    assert target.exists()


def test_the_metric_is_the_share_of_tests_that_pass() -> None:
    wanted = made().output
    for code, share in (
        (RIGHT["code"], 1.0),
        ("def sum_even(values):\n    return sum(v for v in values if v % 2 == 0)", 1.0),
        ("def sum_even(values):\n    return sum(values[1:])", 2 / 3),
        ("def sum_even(values):\n    return 0", 1 / 3),
        ("def sum_even(values):\n    while values: pass\n    return 0", 1 / 3),
        ("def other(values):\n    return 0", 0.0),
        ("def sum_even(values)", 0.0),
        ("import os\ndef sum_even(values):\n    os._exit(0)", 0.0),
        ("", 0.0),
        (None, 0.0),
        (["x"], 0.0),
        ("x" * 10**6, 0.0),
    ):
        assert SPEC.score(wanted, {"code": code}) == pytest.approx(share), code
    assert SPEC.score(wanted, {}) == 0.0


# (family's first name, what `$n` ... stand for, arguments, result), each worked out by hand.
BY_HAND: list[tuple[str, Json, tuple[object, ...], object]] = [
    ("sum_multiples", {"n": 3}, ([1, 3, 6, 7, -9],), 0),
    ("keep_greater", {"n": 4}, ([5, 4, 3, 9],), [5, 9]),
    ("clamp", {"a": -2, "b": 7}, (9,), 7),
    ("digit_power_sum", {"n": 2}, (-123,), 14),
    ("to_base", {"n": 3}, (10,), "101"),
    ("sequence_term", {"a": 2, "b": 5}, (4,), 19),
    ("divisible_by_both", {"a": 3, "b": 5}, (30,), "yes"),
    ("steps_to_one", {}, (6,), 8),
    ("primes_ending_in", {"n": 3}, (30,), [3, 13, 23]),
    ("round_to_step", {"n": 10}, (25,), 30),
    ("common_divisor", {"n": 24}, ([18, 30],), 6),
    ("scale_and_shift", {"a": 2, "b": 1}, ([0, 3],), [1, 7]),
    ("evaluate_polynomial", {"n": 2}, ([1, 0, 3],), 13),
    ("running_totals", {"n": 10}, ([1, 2],), [11, 13]),
    ("moving_sum", {"n": 2}, ([1, 2, 3],), [3, 5]),
    ("shift_letters", {"n": 3}, ("xy z",), "ab c"),
    ("count_letters", {"n": "'ae'"}, ("apple tea",), 4),
    ("long_words", {"n": 3}, ("a tree is tall",), ["tree", "tall"]),
    ("repeat_letters", {"n": 2}, ("abc",), "aabbcc"),
    ("every_nth", {"n": 3}, ("abcdefg",), "cf"),
    ("initials", {"n": "'-'"}, ("red blue",), "R-B"),
    ("remove_letters", {"n": "'ae'"}, ("apple",), "ppl"),
    ("palindromes", {"n": 4}, (["noon", "a", "lamp"],), ["noon"]),
    ("capitalise_long", {"n": 3}, ("be kind",), "be Kind"),
    ("run_lengths", {"n": "'*'"}, ("aabccc",), "a*2b*1c*3"),
    ("pad_number", {"a": 5, "b": "'0'"}, ("abc",), "00abc"),
    ("join_words", {"n": "'_'"}, ("Red Blue Sky",), "red_blue_sky"),
    ("longest_word", {"n": "'-'"}, (["ab", "abc", "xyz"],), "abc"),
    ("chunks", {"n": 2}, ([1, 2, 3],), [[1, 2], [3]]),
    ("rotate", {"n": 4}, ([1, 2, 3],), [2, 3, 1]),
    ("unique_below", {"n": 4}, ([3, 1, 3, 5],), [3, 1]),
    ("nth_largest", {"n": 2}, ([4, 9, 7],), 7),
    ("flatten", {"n": 0}, ([[1], [2, 3]],), [1, 0, 2, 3, 0]),
    ("pairs_with_sum", {"n": 5}, ([1, 4, 4, 1],), 4),
    ("interleave", {"n": 2}, ([1, 2, 3], [7]), [1, 2, 7, 3]),
    ("partition", {"n": 2}, ([1, 2, 4],), ([2, 4], [1])),
    ("take_while_below", {"n": 10}, ([1, 9, 10, 2],), [1, 9]),
    ("frequent", {"n": 2}, ([3, 3, 1],), {3: 2}),
    ("invert", {"n": 2}, ({"a": 1, "b": 5, "c": 5},), {5: "c"}),
    ("merge_counts", {"n": 1}, ({"a": 2}, {"b": 3}), {"a": 3, "b": 4}),
    ("group_by_length", {"n": 2}, (["ab", "c", "de"],), {2: ["ab", "de"]}),
    ("keep_entries", {"n": 4}, ({"a": 4, "b": 5},), {"b": 5}),
    ("total_price", {"n": 10}, ({"a": 105, "b": 100},), 225),
    ("top_keys", {"n": 2}, ({"b": 3, "a": 3, "c": 1},), ["a", "b"]),
    ("alternating_sum", {"n": 3}, ([1, 2, 3],), 10),
    ("spread", {"n": -1}, ([4],), -1),
]


def test_every_family_gives_the_result_that_was_worked_out_by_hand() -> None:
    assert [name for name, _, _, _ in BY_HAND] == [family.names[0] for family in FAMILIES]
    for (name, values, call, result), family in zip(BY_HAND, FAMILIES, strict=True):
        run = compiled(code_of(family, values, name, "A docstring."), name)
        assert run(*call) == result, name


def test_one_function_of_every_family_passes_in_the_sandbox() -> None:
    assert len(FAMILIES) >= 30
    schema = fastjsonschema.compile(SPEC.example_schema)
    for family in FAMILIES:
        one = function(random.Random(7), family)
        built = Example(
            {"prompt": one.prompt, "signature": one.signature}, {"code": one.code, "tests": list(one.tests)}
        )
        SPEC.check(built)
        schema({"input": built.input, "output": built.output})
        assert "$" not in one.prompt + one.code


def test_200_built_in_examples_pass_and_hardly_repeat() -> None:
    rng = random.Random(4)
    built = [SPEC.built_in(rng) for _ in range(200)]
    for example in built[:20]:
        SPEC.check(example)
    pairs = [(example.output, example) for example in built]
    from trainer_host.sandbox import Limits, run_python

    sources = ["\n".join((str(output["code"]), *map(str, output["tests"]))) for output, _ in pairs]  # type: ignore[call-overload]
    outcomes = run_python(sources, Limits(cpu_seconds=5, wall_seconds=30.0, total_seconds=200.0))
    assert [o for o in outcomes if o.status != "ok"] == []
    assert len({SPEC.key(example) for example in built}) >= 160
    assert all(0 < SPEC.difficulty(example) <= 1 for example in built)


def test_what_a_small_model_reads_and_writes_of_every_family_is_what_was_asked() -> None:
    """In marks: a function with other numbers, texts and names is the same to it, and comes back as it was."""
    read: dict[str, set[str]] = {}
    for number, family in enumerate(FAMILIES):
        for seed in range(4):
            one = function(random.Random(seed), family)
            asked = device.messages({"prompt": one.prompt, "signature": one.signature})[0]["content"]
            reading = CodeReading(str(asked))
            written = reading.shortened(one.code)
            assert reading.restored(written) == one.code
            assert device.answer({"prompt": one.prompt, "signature": one.signature}, one.code)["unsure"] is False
            assert not re.search(r"[0-9]", reading.said)
            read.setdefault(f"{number} {reading.said}", set()).add(written)
    assert sum(map(len, read.values())) <= len(read) + 6  # a 1 of the body may be the request's or nobody's


def test_every_family_is_asked_for_in_many_words_that_say_the_same_numbers_and_texts() -> None:
    assert MORE.keys() == {family.names[0] for family in FAMILIES}
    rng, count = random.Random(5), 0
    for family in FAMILIES:
        values = family.draw(rng)
        asked = {reworded(ask, rng) for ask in (*family.asks, *MORE[family.names[0]]) for _ in range(12)}
        count += len(asked)
        for ask in asked:
            assert {f"${name}" for name in values} == set(re.findall(r"\$[a-z]", ask))
            check_wording(ask.replace("$", ""), "prompt")
    assert count >= 6 * len(FAMILIES)
    assert {spelled("Cut $n of them", 12, rng) for _ in range(40)} == {"12", "twelve"}
    assert {spelled("Add $n percent", 12, rng) for _ in range(40)} == {"12"}


def test_a_built_in_example_knows_its_group() -> None:
    example = SPEC.built_in(random.Random(3))
    assert isinstance(example, Grouped)
    assert example.group == SPEC.group(Example(example.input, example.output)) == example.meta[TEMPLATE]


def test_the_same_function_under_two_names_and_prompts_is_one_group() -> None:
    renamed = {name: json.loads(json.dumps(value).replace("sum_even", "total")) for name, value in RIGHT.items()}
    other = SPEC.verify({}, [{**renamed, "prompt": "Add up all even values of a list."}])
    assert SPEC.group(other) == SPEC.group(made())
    different = made(code=RIGHT["code"].replace("value % 2", "value % -2"))  # type: ignore[attr-defined]
    assert SPEC.group(different) != SPEC.group(made())


def test_draws_vary_and_follow_from_the_seed() -> None:
    draws = [SPEC.draw(random.Random(seed)) for seed in range(400)]
    assert draws == [SPEC.draw(random.Random(seed)) for seed in range(400)]
    for name, least in (("topic", 5.0), ("level", 1.9), ("style", 2.4), ("types", 3.1), ("edge", 3.3), ("tests", 2.2)):
        counts = Counter(str(drawn[name]) for drawn in draws)
        assert -sum(n / 400 * math.log2(n / 400) for n in counts.values()) > least, name
    assert len({json.dumps(drawn) for drawn in draws}) > 390


def test_prompts_share_their_system_text_and_stay_short() -> None:
    prompts = [SPEC.prompt(SPEC.draw(random.Random(seed))) for seed in range(50)]
    assert len({prompt.system for prompt in prompts}) == 1
    assert len(prompts[0].system) < 3000
    assert all(len(prompt.user) < 500 for prompt in prompts)


def test_it_verifies_in_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(SPEC.verify, {}, [RIGHT]).result(timeout=120) == made()
        with pytest.raises(Rejected, match="tests fail"):
            pool.submit(SPEC.verify, {}, [{**RIGHT, **body("    return 1\n")}]).result(timeout=120)


def test_without_a_sandbox_nothing_is_drawn_so_that_nothing_is_spent() -> None:
    code = (
        "import random, sys\nsys.platform = 'darwin'\nfrom trainer_host.errors import TrainerError\n"
        "from trainer_host.tasks import task_spec\nspec = task_spec('code')\nprint(spec.name)\n"
        "try:\n    spec.draw(random.Random(1))\nexcept TrainerError as cause:\n    print(cause)"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=env, timeout=60)
    name, sentence = done.stdout.splitlines()
    assert name == "code" and "install bubblewrap" in sentence


def test_a_judge_sees_the_request_and_the_code() -> None:
    asked = SPEC.judge(made())
    assert asked is not None
    assert "sum of the even numbers" in asked.user and "def sum_even" in asked.user


def test_it_has_no_options() -> None:
    with pytest.raises(DataError, match="no option"):
        task_spec("code", {"language": "c"})
