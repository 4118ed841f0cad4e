from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.trainer_host.training.language_runs import small_model
from trainer_host.errors import DataError
from trainer_host.training.merging import METHODS, Recipe, merge, slerp, ties

State = dict[str, Tensor]


def states(*seeds: int, **changes: object) -> list[State]:
    return [dict(small_model(seed, **changes).state_dict()) for seed in seeds]


def gap(first: State, second: State) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.mark.parametrize("method", METHODS)
def test_merging_a_model_with_itself_changes_nothing(method: str) -> None:
    one, base = states(1, 2)
    kept = 1.0 if method == "dare" else None  # what DARE drops, it rescales: only the mean stays
    density = 1.0 if method == "ties" else kept
    assert gap(merge([one, one], Recipe(method, density=density), base), one) < 1e-6


def test_an_average_is_weighted_by_shares() -> None:
    one, two = states(1, 2)
    made = merge([one, two], Recipe("average", (3.0, 1.0)))
    assert gap(made, {name: 0.75 * one[name] + 0.25 * two[name] for name in one}) < 1e-6


def test_slerp_keeps_the_length_that_an_average_loses() -> None:
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.nn.functional.normalize(torch.randn(64, 64, generator=generator).flatten(), dim=0) for _ in "ab")
    middle = slerp(one, two, 0.5)
    assert abs(float(middle.norm()) - 1) < 1e-6
    assert float(((one + two) / 2).norm()) < 0.8
    quarter = slerp(one, two, 0.25)
    angle = torch.arccos(one.double() @ two.double())
    assert abs(float(torch.arccos(quarter.double() @ one.double()) / angle) - 0.25) < 1e-4
    assert torch.equal(slerp(one, two, 0.0), one)
    assert float((slerp(one, two, 1.0) - two).abs().max()) < 1e-7


def test_slerp_of_tensors_without_an_angle_is_a_line() -> None:
    zero, one = torch.zeros(4), torch.ones(4)
    assert torch.allclose(slerp(zero, one, 0.5), torch.full((4,), 0.5))
    assert torch.allclose(slerp(one, 2 * one, 0.5), torch.full((4,), 1.5))
    assert torch.allclose(slerp(one, -one, 0.5), zero)


def test_ties_drops_what_is_small_and_what_disagrees() -> None:
    learned = torch.tensor([[4.0, 0.1, -3.0, 2.0], [2.0, 0.2, 1.0, -2.5]])
    made = ties(learned, torch.tensor([0.5, 0.5]), 0.75)
    # Of each, the smallest is trimmed; then the sign of the larger sum is kept: -3 over 1, -2.5 over 2.
    assert torch.allclose(made, torch.tensor([3.0, 0.0, -3.0, -2.5]))


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_ties_and_dare_equal_pefts(density: float) -> None:
    reference = pytest.importorskip("peft.utils.merge_utils", reason="PEFT is in the extra 'llm'")
    base, *others = states(9, 1, 2, 3)
    learned = {name: [state[name] - base[name] for state in others] for name in base}
    found = merge(others, Recipe("ties", density=density), base)
    for name, tensors in learned.items():
        wanted = base[name] + reference.ties(tensors, torch.ones(3), density)
        assert float((found[name] - wanted).abs().max()) < 1e-6
    found = merge(others, Recipe("dare", (0.5, 0.3, 0.2), density, seed=7), base)
    generator = torch.Generator().manual_seed(7)
    for name in sorted(learned):
        kept = torch.bernoulli(torch.full((3, *base[name].shape), density), generator=generator)
        pruned = [tensor * mask / density for tensor, mask in zip(learned[name], kept, strict=True)]
        wanted = base[name] + reference.task_arithmetic(pruned, torch.tensor([0.5, 0.3, 0.2]))
        assert float((found[name] - wanted).abs().max()) < 1e-6


def test_dare_drops_that_share_and_keeps_the_mean() -> None:
    base = {"w": torch.zeros(200, 200)}
    made = merge([{"w": torch.ones(200, 200)}] * 2, Recipe("dare", density=0.25), base)["w"]
    values, counts = made.unique(return_counts=True)
    assert values.tolist() == [0.0, 2.0, 4.0]
    assert abs(float(counts[0]) / made.numel() - 0.75**2) < 0.01
    assert abs(float(made.mean()) - 1) < 0.02


def test_the_same_seed_drops_the_same() -> None:
    base, one, two = states(0, 1, 2)
    first, again, other = (merge([one, two], Recipe("dare", seed=seed), base) for seed in (1, 1, 2))
    assert gap(first, again) == 0 < gap(first, other)


def test_models_that_do_not_fit_are_refused_in_one_sentence() -> None:
    one, two = states(1, 2)
    (wide,), (words,), (deep,) = states(1, width=32), states(1, vocabulary=50), states(1, layers=3)
    for other, told in (
        (wide, "differ in shape"),
        (words, "vocabulary of 48 and model 2 one of 50"),
        (deep, "same layers"),
    ):
        with pytest.raises(DataError, match=told) as caught:
            merge([one, other], Recipe("average"))
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="the base"):
        merge([one, two], Recipe("ties"), wide)


@pytest.mark.parametrize(
    ("recipe", "count", "told"),
    [
        (Recipe("mix"), 2, "average, slerp, ties, dare"),
        (Recipe("average"), 1, "two models or more"),
        (Recipe("slerp"), 3, "takes two, not 3"),
        (Recipe("ties"), 2, "--base"),
        (Recipe("average", (1.0,)), 2, "2 models need 2 weights"),
        (Recipe("average", (1.0, 0.0)), 2, "above 0"),
        (Recipe("average", (1.0, float("nan"))), 2, "above 0"),
    ],
)
def test_recipes_that_can_not_be_are_refused(recipe: Recipe, count: int, told: str) -> None:
    with pytest.raises(DataError, match=told):
        merge(states(*range(count)), recipe)


def test_weights_that_are_no_numbers_are_refused() -> None:
    one, two = states(1, 2)
    one["norm.weight"] = torch.full_like(one["norm.weight"], float("nan"))
    with pytest.raises(DataError, match=r"norm\.weight"):
        merge([one, two], Recipe("average"))
