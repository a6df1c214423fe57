import itertools

import numpy as np
import pytest
from scipy.special import stdtr

from components.gate.statistics import (
    BLOCK,
    chance_to_pass,
    compare,
    detectable,
    holm,
    lower_bound,
    provable,
    sign_flip,
    unseen_losses,
)


def clustered(rng: np.random.Generator, clusters: int, each: int, gain: float = 0.0) -> tuple[np.ndarray, list[str]]:
    """Differences whose clusters share half of their variance (the differences of real models do)."""
    shared = rng.normal(0, 0.07, clusters).repeat(each)
    label = [f"c{i}" for i in np.arange(clusters).repeat(each)]
    return np.clip(gain + shared + rng.normal(0, 0.07, clusters * each), -0.49, 0.49), label


def against_half(differences: np.ndarray, clusters: list[str], alpha: float = 0.05):
    return compare(0.5 + differences, np.full(len(differences), 0.5), clusters, alpha=alpha, least=0.01)


@pytest.mark.parametrize(
    "sums",
    [[5], [3, -1], [1, 1, 1, 1, 1], [10, -9, 8, -7, 6, 0, 0], [-5, -4, 2], [7, 7, -7, 7, 0, 7, -7, 7, 7, 1, -2, 3]],
)
def test_p_is_that_of_all_sign_flips(sums: list[int]) -> None:
    flips = np.array(list(itertools.product([-1, 1], repeat=len(sums))))
    exact = float(np.mean(flips @ np.array(sums) >= sum(sums)))
    assert sign_flip(np.array(sums), alpha=0.002) == pytest.approx(exact, abs=0.01)  # 5 standard errors of 50,000


def test_p_is_never_0_and_1_where_nothing_differs() -> None:
    assert sign_flip(np.full(300, 1000), alpha=0.05) == 1 / (BLOCK + 1)
    assert sign_flip(np.zeros(300, np.int64), alpha=0.05) == 1
    assert sign_flip(np.full(300, -1000), alpha=0.05) == 1


def test_a_level_that_is_small_gets_resamples_enough() -> None:
    alpha = 0.05 / 52
    assert sign_flip(np.full(40, 1), alpha) <= alpha / 100


def test_neither_order_nor_names_of_clusters_matter() -> None:
    rng = np.random.default_rng(3)
    differences, label = clustered(rng, 40, 3, gain=0.02)
    order, renamed = rng.permutation(len(label)), {name: f"x{i}" for i, name in enumerate(rng.permutation(label))}
    first = against_half(differences, label)
    assert against_half(differences, label) == first
    assert against_half(differences[order], [renamed[label[i]] for i in order]) == first


def test_errors_of_the_first_kind_stay_near_nominal_with_clustered_queries() -> None:
    rng, each_alone = np.random.default_rng(11), [str(i) for i in range(160)]
    drawn = [clustered(rng, 40, 4) for _ in range(2000)]
    assert np.mean([against_half(*d).p_value <= 0.05 for d in drawn]) == pytest.approx(0.05, abs=0.017)  # 3.5 errors
    naive = [against_half(differences, each_alone).p_value <= 0.05 for differences, _ in drawn[:500]]
    assert np.mean(naive) > 0.1, "these draws would catch a test by query"


def test_queries_asked_again_inside_their_cluster_prove_nothing_more() -> None:
    differences, label = clustered(np.random.default_rng(5), 60, 2)
    differences += 0.015 - differences.mean()
    once, often = against_half(differences, label), against_half(differences.repeat(9), list(np.repeat(label, 9)))
    assert often.p_value == pytest.approx(once.p_value, abs=0.03)
    assert often.standard_error == once.standard_error
    alone = against_half(differences.repeat(9), [str(i) for i in range(9 * len(label))])
    assert alone.p_value < once.p_value / 5  # what the copies would prove as clusters of their own


def test_gain_error_and_interval_are_those_of_a_cluster_bootstrap() -> None:
    rng = np.random.default_rng(8)
    sizes = rng.integers(1, 7, 250)
    label = np.arange(250).repeat(sizes)
    differences = np.clip(0.03 + rng.normal(0, 0.1, 250).repeat(sizes) + rng.normal(0, 0.1, len(label)), -0.5, 0.5)
    found = against_half(differences, [str(i) for i in label])
    sums = np.bincount(label, weights=differences)
    drawn = rng.integers(0, 250, (4000, 250))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    assert found.gain == pytest.approx(differences.mean(), abs=1e-6)
    assert found.standard_error == pytest.approx(means.std(), rel=0.05)
    assert found.interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.15 * means.std())


def test_counts_clusters_and_those_that_differ() -> None:
    found = against_half(np.array([0.1, -0.1, 0.2, 0.0, 0.0]), ["a", "a", "b", "c", "c"])
    assert (found.clusters, found.differing) == (3, 1)


@pytest.mark.parametrize(
    ("error", "least", "expected"),
    [(0.01, 0.0, 0.0248648), (0.001, 0.01, 0.0108416), (0.0, 0.01, 0.01)],  # 1.64485 and .84162 standard errors
)
def test_detectable_must_clear_both_the_test_and_the_least_gain(error: float, least: float, expected: float) -> None:
    assert detectable(error, 0.05, least) == pytest.approx(expected, abs=1e-7)


def test_a_gain_of_the_detectable_size_is_found_four_times_in_five() -> None:
    rng, clusters = np.random.default_rng(2), [str(i) for i in range(80)]
    size = detectable(0.1 / np.sqrt(80), 0.05, 0.0)
    found = [against_half(rng.normal(size, 0.1, 80), clusters).p_value <= 0.05 for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_a_guard_s_bound_is_mean_less_1_645_standard_errors() -> None:
    mean, bound, error = lower_bound(np.array([0.1, -0.1] * 50))
    assert (mean, error) == pytest.approx((0, 0.01005), abs=1e-5)
    assert bound == pytest.approx(-0.016531, abs=1e-6)
    assert lower_bound(np.array([0.2]))[1] == -np.inf, "one query bounds nothing"


@pytest.mark.parametrize(("error", "chance"), [(0.0, 1.0), (0.03 / 1.644854, 0.5), (0.03, 0.2595), (0.006, 0.9996)])
def test_the_chance_of_a_guard_that_lost_nothing(error: float, chance: float) -> None:
    assert chance_to_pass(error, 0.03) == pytest.approx(chance, abs=1e-3)


def test_a_thousand_queries_that_move_as_hundred_count_as_hundred() -> None:
    rng = np.random.default_rng(17)
    shared = rng.normal(0, 0.05, 100).repeat(10)
    label = [f"c{i}" for i in np.arange(100).repeat(10)]
    assert against_half(shared, label).effective == pytest.approx(100, rel=0.01)
    assert against_half(shared, [str(i) for i in range(1000)]).effective == 1000


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ([0.012, 0.04, 0.02], [True, True, True]),  # .05 / 3, .05 / 2, .05
        ([0.012, 0.04, 0.03], [True, False, False]),  # .03 is above .05 / 2, and stops the rest
        ([0.02, 0.9, 0.9], [False, False, False]),
        ([0.001, float("nan")], [True, False]),
        ([], []),
    ],
)
def test_many_hypotheses_are_rejected_one_after_the_other(p_values: list[float], rejected: list[bool]) -> None:
    assert holm(p_values, 0.05) == rejected


def test_a_lower_bound_at_a_small_level_lies_lower() -> None:
    differences, label = clustered(np.random.default_rng(5), 60, 2)
    found = against_half(differences, label)
    assert found.lower_bound(0.5) == found.gain
    assert found.lower_bound(0.001) == pytest.approx(found.gain - 3.0902 * found.standard_error, abs=1e-5)


def test_a_loss_that_was_not_met_is_reckoned_with_however_skewed_the_differences_are() -> None:
    rng = np.random.default_rng(23)
    lost = rng.random((1000, 200)) < 0.01
    drawn = np.where(lost, -495_000, 5_000)  # a mean of 0: many small gains, few large losses
    assert np.mean([unseen_losses(one, 200) <= 0.05 for one in drawn]) <= 0.05
    flipped = [sign_flip(one, 0.05) <= 0.05 for one in drawn[:300]]
    assert np.mean(flipped) > 0.1, "these draws would catch a test that leans on symmetry"


def test_the_likelihood_of_a_mean_of_0_by_hand() -> None:
    gained = np.full(100, 100_000)
    assert unseen_losses(gained, 100) == round(float(stdtr(99, -np.sqrt(200 * np.log(1.1)))), 9), "all may be staked"
    assert unseen_losses(gained, 200) == round(float(stdtr(99, -np.sqrt(200 * np.log(1.05)))), 9), "clusters of two"
    mixed = np.array([300_000] * 3 + [-100_000] * 3)  # .3 / (1 + .3 s) = .1 / (1 - .1 s) where s = 10 / 3; 1 is less
    assert unseen_losses(mixed, 6) == round(float(stdtr(5, -np.sqrt(6 * np.log(1.3 * 0.9)))), 9)
    assert (unseen_losses(-gained, 100), unseen_losses(gained[:1], 1)) == (1, 1)


def test_what_is_provable_passes_with_an_even_chance_besides_its_power() -> None:
    rng, alpha = np.random.default_rng(29), 0.05 / 52
    half = provable(600, 600, 0.09 / np.sqrt(600), alpha) - 0.8416 * 0.09 / np.sqrt(600)
    drawn = np.where(rng.random((400, 600)) < 0.3, rng.normal(half / 0.3, 0.16, (400, 600)), 0)
    passed = [unseen_losses(np.rint(one * 1e6).astype(np.int64), 600) <= alpha for one in drawn]
    assert 0.35 < np.mean(passed) < 0.65
