#!/usr/bin/env python3
"""Writes math.csv: the functions of `math` at chosen f64 arguments, as the true value needs two
f64 to be told apart from its neighbours: the nearest f64, and what is left of it.

Needs mpmath (1.3 was used). Run it in this folder: python3 functions.py > math.csv
"""

import math
import random

from mpmath import mp, mpf

mp.prec = 300  # Beyond the cancellation of 1 + e^-708.

FUNCTIONS = {
    "exp": mp.exp,
    "exp_m1": mp.expm1,
    "ln_1p": mp.log1p,
    "ln": mp.log,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "tanh": mp.tanh,
}


def arguments(name):
    """Both signs and all magnitudes, ends of ranges, and the edges of the reductions."""
    rng = random.Random(name)
    edges = [k * math.log(2) / 2 for k in (1, 2, 3, 5, 41)]
    x = [1e-300, 1e-17, 1e-9, 1e-3, 0.25, 0.41421356237309503, 0.5, 1.0, 10.0, 100.0, 700.0]
    x += edges + [math.nextafter(e, 0) for e in edges]
    x += [10 ** rng.uniform(-12, 2.84) for _ in range(40)]
    x += [-v for v in x]
    # Where the errors are largest, of 1.5 million random points.
    x += [0.35967105377653991, 0.36245242527957333, 0.9922466770557683, 7.7229978000192858]
    x += [0.0064146128993168182, -0.20570156666095532]
    if name == "ln_1p":
        x = [v for v in x if 0 <= v <= 1]
        x += [rng.random() for _ in range(60)] + [10 ** rng.uniform(-12, 0) for _ in range(40)]
    if name == "ln":
        x = [v for v in x if v >= 1]
        x += [1 + 10 ** rng.uniform(-15, 0) for _ in range(60)] + [10 ** rng.uniform(0, 308) for _ in range(40)]
    return x


for name, function in FUNCTIONS.items():
    for x in arguments(name):
        y = function(mpf(x))
        nearest = float(y)
        if 0 < abs(nearest) < 2.3e-308 or math.isinf(nearest):
            continue  # Subnormal results have tests of their own.
        rest = float(y - mpf(nearest))
        print(f"{name},{x!r},{nearest!r},{rest!r}")
