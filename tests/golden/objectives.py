"""Every objective in PyTorch, on the models and batches of tests/golden/vae.py.

    python tests/golden/objectives.py

It loads tests/golden/tanh.safetensors, draws five images and four latent samples of each, and writes
tests/golden/objectives.safetensors, in float64: the batch `x` (5, pixels), the noise `eps` (4 x 5, latent;
row 5 k + n is sample k of image n), and for every objective below its value and, by autograd, the
gradient of minus that value for every parameter (`<objective>.grad.<name>`).

The two estimators that are no gradients of a value are made as their papers say: for STL the density's mu
and log_var are detached, for DReG besides that a hook on z multiplies its gradient by the normalised
weight.

Then come 100 steps of each optimiser of torch.optim on the ELBO of `vae.py`'s own batches and noise,
which are read from tests/golden/tanh.values.safetensors: the weights after 1, 10 and 100 steps
(`<optimiser>.<steps>.<name>`).

Made with torch 2.15, safetensors 0.8 and numpy 2.4. `cargo test --test golden` needs no Python.
"""

import math

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from vae import BATCHES, LOG_VAR_BOUND, STEPS, draw, load
from torch.nn import functional as F

MODEL = "tests/golden/tanh.safetensors"
IMAGES, SAMPLES = 5, 4


def log_normal(z, mu, s):
    return (-0.5 * ((z - mu) ** 2 / s.exp() + s + math.log(2 * math.pi))).sum(-1)


def terms(vae, x, eps, path=False, weighted_path=False):
    """log p(x|z), log p(z) - log q(z|x), each (samples, images), and the exact KL (images, latent)."""
    mu, log_var = vae.encoder(x)
    s = log_var.clamp(-LOG_VAR_BOUND, LOG_VAR_BOUND)
    z = mu + torch.exp(s / 2) * eps
    q = (mu.detach(), s.detach()) if path else (mu, s)
    inner = z.detach().requires_grad_() if weighted_path else z
    logits = vae.decoder(inner)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
    log_prob = -cross_entropy.sum(-1)
    zero = torch.zeros_like(mu)
    log_ratio = log_normal(inner, zero, zero) - log_normal(inner, *q)
    kl = 0.5 * (mu**2 + s.exp() - 1 - s)
    return log_prob, log_ratio, kl, z, inner


def elbo(vae, x, eps):
    log_prob, _, kl, _, _ = terms(vae, x, eps)
    return log_prob.mean() - kl.sum(1).mean()


def weighted(beta, free_bits):
    def objective(vae, x, eps):
        log_prob, _, kl, _, _ = terms(vae, x, eps)
        return log_prob.mean() - beta * kl.mean(0).clamp(min=free_bits).sum()

    return objective


def sampled(beta):
    def objective(vae, x, eps):
        log_prob, log_ratio, _, _, _ = terms(vae, x, eps)
        return (log_prob + beta * log_ratio).mean()

    return objective


def log_mean_exp(log_w):
    return (torch.logsumexp(log_w, 0) - math.log(log_w.shape[0])).mean()


def iwae(vae, x, eps):
    log_prob, log_ratio, _, _, _ = terms(vae, x, eps)
    return log_mean_exp(log_prob + log_ratio)


def stl(vae, x, eps):
    log_prob, log_ratio, _, _, _ = terms(vae, x, eps, path=True)
    return log_mean_exp(log_prob + log_ratio)


def gradients(vae, objective, x, eps):
    vae.zero_grad()
    value = objective(vae, x, eps)
    (-value).backward()
    return value, {name: p.grad.clone() for name, p in vae.named_parameters()}


def dreg(vae, x, eps):
    """The decoder's gradient is the bound's; the encoder's goes through z alone, times the weight."""
    vae.zero_grad()
    log_prob, log_ratio, _, z, inner = terms(vae, x, eps, path=True, weighted_path=True)
    log_w = log_prob + log_ratio
    value = log_mean_exp(log_w)
    (-value).backward()
    weight = torch.softmax(log_w, 0).detach()
    z.backward(weight[..., None] * inner.grad)
    return value, {name: p.grad.clone() for name, p in vae.named_parameters()}


OBJECTIVES = {
    "elbo": elbo,
    "weighted": weighted(2.5, 0.0),
    "free_bits": weighted(0.7, 0.1),
    "sampled": sampled(0.7),
    "iwae": iwae,
    "stl": stl,
}

OPTIMISERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.001, alpha=0.99, weight_decay=0.1),
}


def optimise(make):
    vae, _ = load(MODEL)
    values = load_file(MODEL.replace(".safetensors", ".values.safetensors"))
    optimiser, out = make(vae.parameters()), {}
    for t in range(STEPS):
        optimiser.zero_grad()
        (-vae(values["steps.x"][t % BATCHES], values["steps.eps"][t])[0]).backward()
        optimiser.step()
        if t + 1 in (1, 10, 100):
            out |= {f"{t + 1}.{name}": p.detach().clone() for name, p in vae.named_parameters()}
    return out


def main():
    vae, recipe = load(MODEL)
    rng = np.random.default_rng(2015)
    x, _ = draw(rng, IMAGES, recipe)
    eps = torch.tensor(rng.normal(size=(SAMPLES, IMAGES, recipe["latent"])))
    out = {"x": x, "eps": eps.reshape(SAMPLES * IMAGES, -1)}
    results = {name: gradients(vae, f, x, eps) for name, f in OBJECTIVES.items()}
    results["dreg"] = dreg(vae, x, eps)
    free = terms(vae, x, eps)[2].mean(0)
    assert (free < 0.1).any() and (free > 0.1).any(), f"free bits bind nowhere or everywhere: {free}"
    for name, (value, grads) in results.items():
        print(f"{name}: {value:.12f}")
        out |= {f"{name}.value": value} | {f"{name}.grad.{n}": g for n, g in grads.items()}
    for name, make in OPTIMISERS.items():
        out |= {f"{name}.{key}": value for key, value in optimise(make).items()}
    out = {name: value.detach().clone().contiguous() for name, value in out.items()}
    save_file(out, "tests/golden/objectives.safetensors")


if __name__ == "__main__":
    main()
