"""The pixel likelihoods in PyTorch, as an independent witness.

    python tests/golden/likelihoods.py

writes tests/golden/likelihoods.safetensors, in float64: images `x` (N, P) of 256 grey levels, black and
white among them; K·N rows of `<likelihood>.logits`; `<likelihood>.log_prob` of each row; and by autograd
`<likelihood>.d_logits`, the gradient of d_loss · Σ -log p, and for a likelihood with a parameter
`<likelihood>.parameter` and `<likelihood>.d_parameter`, the gradient of Σ weights · -log p. The densities
are those of torch.distributions where it has them, otherwise the plain formula.

`partition.l`, `.value` and `.slope` are ln((e^l - 1)/l) and its derivative, from mpmath with 600 bits.

Made with torch 2.15, safetensors 0.8, numpy 2.4 and mpmath. `cargo test --test likelihoods` checks
the crate against them and needs no Python.
"""

import math
from pathlib import Path

import numpy as np
import torch
from mpmath import mp, mpf
from safetensors.torch import save_file
from torch.distributions import ContinuousBernoulli, Normal

IMAGES, SAMPLES, PIXELS, D_LOSS, VARIANCE = 4, 3, 6, 0.37, 0.3
rng = np.random.default_rng(2019)


def logits(columns, mean, deviation):
    return torch.tensor(rng.normal(mean, deviation, (SAMPLES * IMAGES, columns)), requires_grad=True)


def continuous_bernoulli(x, l, _):
    return ContinuousBernoulli(logits=l).log_prob(x)


def gaussian(x, l, _):
    return Normal(l, math.sqrt(VARIANCE)).log_prob(x)


def gaussian_shared(x, l, log_var):
    return Normal(l, (log_var / 2).exp()).log_prob(x)


def gaussian_per_pixel(x, l, _):
    mu, log_var = l.chunk(2, dim=1)
    return Normal(mu, (log_var / 2).exp()).log_prob(x)


def gaussian_optimal(x, l, _):
    """Nothing is detached: the gradient runs through the variance."""
    return Normal(l, ((x - l) ** 2).mean().sqrt()).log_prob(x)


def discretised_logistic(x, l, log_scale):
    s = log_scale.exp()
    low, high = ((x - 1 / 510 - l) / s).sigmoid(), ((x + 1 / 510 - l) / s).sigmoid()
    low, high = torch.where(x == 0, 0.0, low), torch.where(x == 1, 1.0, high)
    return (high - low).log()


# Name, log p of each pixel, the logits, the parameter.
CASES = [
    ("continuous-bernoulli", continuous_bernoulli, logits(PIXELS, 0, 4), None),
    ("gaussian", gaussian, logits(PIXELS, 0.5, 1), None),
    ("gaussian-shared", gaussian_shared, logits(PIXELS, 0.5, 1), math.log(VARIANCE)),
    ("gaussian-per-pixel", gaussian_per_pixel, logits(2 * PIXELS, 0, 1), None),
    ("gaussian-optimal", gaussian_optimal, logits(PIXELS, 0.5, 0.2), None),
    (
        "discretised-logistic",
        discretised_logistic,
        logits(PIXELS, 0.5, 0.4),
        math.log(math.sqrt(3 * VARIANCE) / math.pi),
    ),
]


def main():
    levels = rng.integers(0, 256, (IMAGES, PIXELS))
    levels[:, 0], levels[1:, 1] = [0, 255, 0, 255], [255, 0, 255]
    x = torch.tensor(levels) / torch.tensor(255.0, dtype=torch.float64)
    rows = x.repeat(SAMPLES, 1)
    weights = torch.tensor(rng.uniform(0.1, 1, SAMPLES * IMAGES))
    out = {"x": x, "weights": weights, "d_loss": torch.tensor([D_LOSS], dtype=torch.float64)}
    for name, density, l, start in CASES:
        parameter = None
        if start is not None:
            parameter = torch.tensor([start], dtype=torch.float64, requires_grad=True)
        log_prob = density(rows, l, parameter).sum(dim=1)
        out[f"{name}.logits"], out[f"{name}.log_prob"] = l, log_prob
        (out[f"{name}.d_logits"],) = torch.autograd.grad(-D_LOSS * log_prob.sum(), l, retain_graph=True)
        if parameter is not None:
            out[f"{name}.parameter"] = parameter
            (out[f"{name}.d_parameter"],) = torch.autograd.grad(-(weights * log_prob).sum(), parameter)
        print(f"{name}: {log_prob.tolist()[:3]}")

    mp.prec = 600
    sizes = [1e-30, 1e-9, 1e-3, 0.1, 0.5, math.nextafter(1, 0), 1.0, math.nextafter(1, 2), 1.5, 3.0, 6.25]
    sizes += [20.0, 40.0, 100.0, 300.0, *rng.uniform(0, 2, 60), *rng.uniform(2, 50, 20)]
    l = [sign * size for size in sizes for sign in (1, -1)]
    out["partition.l"] = torch.tensor(l, dtype=torch.float64)
    values = [float(mp.log(mp.expm1(mpf(v)) / mpf(v))) for v in l]
    slopes = [float(-1 / mp.expm1(-mpf(v)) - 1 / mpf(v)) for v in l]
    out["partition.value"] = torch.tensor(values, dtype=torch.float64)
    out["partition.slope"] = torch.tensor(slopes, dtype=torch.float64)
    out = {name: value.detach().clone().contiguous() for name, value in out.items()}
    save_file(out, Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
