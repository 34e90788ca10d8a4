#!/usr/bin/env python3
"""Adjusted mutual information and rank correlation as scikit-learn and SciPy give them, for tests/eval/probe_compression_test.cpp.

    python3 -m venv venv && venv/bin/pip install scikit-learn scipy
    venv/bin/python tests/parity/probe_reference.py > tests/parity/fixtures/probe.json
"""
import json

import numpy as np
import scipy
import sklearn
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_mutual_info_score

rng = np.random.default_rng(7)


def labellings():
    yield [0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2]
    yield [0, 0, 1, 1, 2, 2], [5, 5, 3, 3, 4, 4]
    yield [0, 0, 0, 0], [0, 1, 2, 3]
    yield [0, 0, 0, 0], [1, 1, 1, 1]
    yield [0, 1, 2, 3], [0, 1, 2, 3]
    for items, a, b in ((12, 3, 4), (60, 4, 4), (200, 7, 3), (500, 20, 24)):
        yield rng.integers(a, size=items).tolist(), rng.integers(b, size=items).tolist()
    for items, a, noise in ((80, 5, 0.3), (300, 12, 0.6)):
        x = rng.integers(a, size=items)
        y = np.where(rng.random(items) < noise, rng.integers(a, size=items), (x * 7) % a)
        yield x.tolist(), y.tolist()


def rankings():
    yield [1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]
    yield [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]
    yield [1.0, 1.0, 2.0, 2.0, 3.0], [2.0, 1.0, 2.0, 5.0, 5.0]
    for items, levels in ((10, 4), (40, 6), (100, 1000)):
        x = rng.integers(levels, size=items).astype(float)
        yield x.tolist(), (x + rng.integers(levels, size=items)).tolist()


print(json.dumps({
    "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__},
    "ami": [{"a": a, "b": b, "expected": float(adjusted_mutual_info_score(a, b))} for a, b in labellings()],
    "spearman": [{"a": a, "b": b, "expected": float(spearmanr(a, b).statistic)} for a, b in rankings()],
}))
