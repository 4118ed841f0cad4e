from __future__ import annotations

from collections.abc import Sequence

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
    assert torch.equal(slerp(one, two, 1.0), two)


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


MERGEKIT = {"average": "linear", "slerp": "slerp", "ties": "ties", "dare": "dare_linear"}


def made_by_mergekit(method: str, states: Sequence[State], base: State, recipe: Recipe) -> State:
    """What mergekit's own method makes of the same tensors, whatever else it offers at its default."""
    registry, kit = (pytest.importorskip(f"mergekit.merge_methods.{name}") for name in ("registry", "base"))
    shares = recipe.shares(len(states))
    given = [[state[name] for state in states] for name in sorted(base)]
    if method in ("average", "slerp"):
        weights = {"t": shares[-1]} if method == "slerp" else {"weight": dict(enumerate(shares))}
        groups = [kit.TensorGroup.from_tensors(one, base_index=0 if method == "slerp" else None) for one in given]
    else:
        roots = [base[name] for name in sorted(base)]
        groups = [
            kit.TensorGroup.from_tensors([root, *one], base_index=0) for root, one in zip(roots, given, strict=True)
        ]
        numbers = range(1, len(states) + 1)
        weights = {
            "weight": dict(zip(numbers, shares, strict=True)),
            "density": dict.fromkeys(numbers, recipe.kept),
        }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # what it drops, it draws from the global generator
        made = registry.get(MERGEKIT[method])(groups, parameters=weights)
    return dict(zip(sorted(base), made, strict=True))


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.5, 0.3, 0.2), (4.0, 0.0, 1.0)])
@pytest.mark.parametrize("density", [0.07, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("method", METHODS)
def test_all_methods_equal_mergekits(method: str, density: float, weights: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(20)
    shapes = {"embed": (50, 24), "norm": (24,), "one": (1,), "scalar": (), "odd": (7, 11), "kernel": (3, 5, 2)}
    base, *others = (
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()} for _ in range(4)
    )
    if method == "slerp":
        others, weights = others[:2], weights[:2]
    recipe = Recipe(method, weights, density, seed=7)
    found, wanted = merge(others, recipe, base), made_by_mergekit(method, others, base, recipe)
    assert gap(found, wanted) < 1e-5
    assert all(gap(found, one) > 0.1 for one in (base, *others) if weights != (4.0, 0.0) or one is not others[0])


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_equal_mergekits_on_tunes_of_one_model(method: str) -> None:
    (base,), generator = states(9), torch.Generator().manual_seed(21)
    others = [
        {name: one + 0.002 * torch.randn(one.shape, generator=generator) for name, one in base.items()} for _ in "ab"
    ]
    recipe = Recipe(method, (0.6, 0.4), seed=3)
    assert gap(merge(others, recipe, base), made_by_mergekit(method, others, base, recipe)) < 1e-5


@pytest.mark.parametrize("method", ["average", "slerp"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_the_weight_on_one_gives_that_one_bit_by_bit(method: str, dtype: torch.dtype) -> None:
    one, two = ({name: tensor.to(dtype) for name, tensor in state.items()} for state in states(1, 2))
    near = {name: tensor * (1 + 1e-7) for name, tensor in one.items()}
    for first, second in ((one, two), (one, near), (one, {name: -tensor for name, tensor in one.items()})):
        for weights, parent in (((1.0, 0.0), first), ((0.0, 1.0), second)):
            made = merge([first, second], Recipe(method, weights))
            assert all(torch.equal(made[name], parent[name]) for name in parent)


def test_dare_drops_that_share_and_keeps_the_mean() -> None:
    base = {"w": torch.zeros(200, 200)}
    made = merge([{"w": torch.ones(200, 200)}] * 2, Recipe("dare", density=0.25), base)["w"]
    values, counts = made.unique(return_counts=True)  # dropped of both, kept of one or the other, kept of both
    assert torch.allclose(values, torch.tensor([0.0, 2.0, 2.0, 4.0]), atol=0.1)
    assert abs(float(counts[0]) / made.numel() - 0.75**2) < 0.01
    assert abs(float(made.mean()) - 1) < 1e-5


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
        (Recipe("average", (1.0, -0.1)), 2, "0 or above"),
        (Recipe("average", (0.0, 0.0)), 2, "one of them above 0"),
        (Recipe("average", (1.0, float("nan"))), 2, "0 or above"),
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
