#!/usr/bin/env python3
"""Writes fixtures/statistics.json beside this file: what scipy, statsmodels and numpy say of the statistics in eval/.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy scipy statsmodels
    /tmp/venv/bin/python tests/eval/make_statistics_fixture.py

The bootstrap is repeated draw by draw: Philox4x32-10 is written out here from the paper, the rule that makes indices of
its words is the one of eval/resample.h. Power has no function in those packages: Connor's formula is written out with
scipy's quantiles, and its sense is checked by the exact power of the test at that number of pairs.
"""
import json
import math
import pathlib

import numpy as np
import scipy.stats as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

MASK = 0xFFFFFFFF


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def words(seed):
    """Stream 0, substream 0: the first word of the counter is the block's number."""
    for block in range(1 << 32):
        yield from philox([block, 0, 0, 0], [seed & MASK, seed >> 32])


def indices(source, n, count):
    rejected, out = (1 << 32) % n, []
    while len(out) < count:
        scaled = next(source) * n
        if (scaled & MASK) >= rejected:
            out.append(scaled >> 32)
    return out


def bootstrap(sums, counts, resamples, seed):
    source, n = words(seed), len(sums)
    sums, counts = np.array(sums, float), np.array(counts, float)
    means = []
    for _ in range(resamples):
        drawn = indices(source, n, n)
        means.append(sums[drawn].sum() / counts[drawn].sum())
    means = np.array(means)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = sums.sum() / counts.sum()
    rest = sums - mean * counts
    error = math.sqrt(n / (n - 1) * (rest**2).sum()) / counts.sum()
    return {"sums": sums.tolist(), "counts": counts.astype(int).tolist(), "resamples": resamples, "seed": seed,
            "mean": mean, "low": low, "high": high, "standard_error": error}


def connor(only_a, only_b, pairs, effect):
    z1, z2 = st.norm.ppf(0.975), st.norm.ppf(0.8)
    d, e = (only_a + only_b) / pairs, abs(only_a - only_b) / pairs
    needed = effect * ((z1 * math.sqrt(d) + z2 * math.sqrt(d - e * e)) / e) ** 2 if e else None
    # Bisected, where the program solves the quadratic.
    wanted = lambda x: effect * ((z1 * math.sqrt(d) + z2 * math.sqrt(max(d - x * x, 0))) / x) ** 2
    least = None
    if d > 0 and wanted(d) <= pairs:
        low, high = 1e-12, d
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if wanted(middle) > pairs else (low, middle)
        least = high
    return {"only_a": only_a, "only_b": only_b, "pairs": pairs, "effect": effect, "needed": needed, "least": least}


def asymptotic_power(only_a, only_b, pairs):
    """Of (b - c)^2 / (b + c) > z^2 at the number of pairs that connor() asks for, summed over all outcomes."""
    needed = math.ceil(connor(only_a, only_b, pairs, 1)["needed"])
    d, a = (only_a + only_b) / pairs, only_a / (only_a + only_b)
    power = 0.0
    for m in range(1, needed + 1):
        weight = st.binom.pmf(m, needed, d)
        if weight < 1e-12:
            continue
        b = np.arange(m + 1)
        reject = (2 * b - m) ** 2 > st.norm.ppf(0.975) ** 2 * m
        power += weight * st.binom.pmf(b[reject], m, a).sum()
    return power


def main():
    rng = np.random.default_rng(0)
    out = {}
    out["wilson"] = [{"hits": h, "count": n, "ci": list(proportion_confint(h, n, method="wilson"))}
                     for h, n in [(50, 100), (299, 300), (1, 7), (3, 4), (13190, 20000), (0, 40), (40, 40)]]
    out["quantile"] = []
    for n in (1, 2, 7, 50):
        values = rng.normal(size=n).tolist()
        out["quantile"] += [{"values": values, "q": q, "value": float(np.quantile(values, q))}
                            for q in (0, 0.025, 0.05, 0.31, 0.5, 0.95, 0.975, 1)]
    out["mcnemar"] = []
    for a, b in [(0, 1), (5, 5), (3, 9), (10, 2), (1, 20), (121, 59), (430, 370), (5100, 4900)]:
        p = float(st.binomtest(a, a + b, 0.5).pvalue)
        assert abs(p - mcnemar([[10, a], [b, 10]], exact=True).pvalue) < 1e-9
        out["mcnemar"].append({"a": a, "b": b, "p": p})
    out["holm"] = []
    for p in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.2, 0.2, 0.2], [1e-9, 0.9, 0.02, 0.02, 1.0], rng.uniform(size=17).tolist()):
        out["holm"].append({"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()})
    out["bootstrap"] = [
        bootstrap([1, 0, -1, 1, 1, 0, 0, 1], [1] * 8, 999, 0),
        bootstrap(rng.integers(-3, 4, size=40).tolist(), [3] * 40, 500, 5),
        bootstrap(rng.integers(-2, 3, size=23).tolist(), rng.integers(2, 6, size=23).tolist(), 400, 2**33 + 7),
        bootstrap([2, 3, 1, 2], [4, 4, 4, 4], 300, 1),
    ]
    out["sign_flip"] = []
    for sums in ([1, 1, 1, 1, 1], [3, -1, 2, 2, 0, 1, -2, 3], [5, -5, 1], [2, 2, -1, 0, 0], rng.integers(-3, 4, size=16).tolist(),
                 rng.integers(-1, 5, size=15).tolist()):
        p = st.permutation_test((np.array(sums, float),), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
        out["sign_flip"].append({"sums": sums, "p": float(p)})
    out["power"] = [connor(*case) for case in [(30, 10, 300, 1), (10, 30, 300, 1), (5, 4, 16, 1), (8, 0, 16, 1),
                                               (3, 3, 40, 1), (121, 59, 900, 1.7), (1, 0, 5, 1), (0, 0, 50, 1)]]
    for case in [(30, 10, 300), (121, 59, 900), (20, 14, 100)]:
        power = asymptotic_power(*case)
        assert 0.78 < power < 0.83, (case, power)
    path = pathlib.Path(__file__).parent / "fixtures" / "statistics.json"
    path.write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
