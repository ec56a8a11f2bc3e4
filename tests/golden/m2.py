"""The objective of M2 in PyTorch, of a batch of images with labels and without.

    python tests/golden/m2.py

It draws the weights of a small model, three images without a label and two with one, and noise for every pair
of an image and a class, and writes tests/golden/m2.safetensors, in float64: the weights (`param.<name>`), `x`
(3 + 2, pixels), `eps` (3 classes x 3 + 2, latent; row 3 c + n is image n in class c, the labelled images
follow), the objective's `value`, and by autograd the gradient of minus that value (`grad.<name>`). The
classes are summed over by torch's own categorical, Bernoulli and normal distributions.

Made with torch 2.15, safetensors 0.8 and numpy 2.4. `cargo test --test golden` needs no Python.
"""

import numpy as np
import torch
from deep import PIXELS, Weights, normal
from safetensors.torch import save_file
from torch.distributions import Bernoulli, Categorical, Independent, Normal, kl_divergence
from torch.nn.functional import one_hot

CLASSES, LATENT, HIDDEN, UNLABELLED, LABELS = 3, 4, [7], 3, [2, 0]
SHARES = {"unlabelled": 0.3, "labelled": 0.2, "classifier": 0.5}


def joint_bound(w, x, classes, eps):
    """The bound on log p(x, y)."""
    y = one_hot(classes, CLASSES).double()
    _, mu, log_var = w.gaussian("encoder", torch.cat([x, y], -1), HIDDEN, LATENT)
    z = mu + torch.exp(log_var / 2) * eps
    logits = w.decoder(torch.cat([z, y], -1), HIDDEN)
    log_x = Independent(Bernoulli(logits=logits, validate_args=False), 1).log_prob(x)
    prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    kl = kl_divergence(normal(mu, log_var), prior).sum(-1)
    log_y = Categorical(torch.ones(CLASSES, dtype=torch.float64)).log_prob(classes)
    return log_x - kl + log_y


def objective(w, x, eps):
    h = w.mlp("classifier.hidden", x, HIDDEN)
    q = Categorical(logits=w.dense("classifier.output", h, CLASSES))
    unlabelled, labelled = x[:UNLABELLED], x[UNLABELLED:]
    labels = torch.tensor(LABELS)
    of_pairs, of_labelled = eps.split([CLASSES * UNLABELLED, len(LABELS)])
    log_q = Categorical(logits=q.logits[UNLABELLED:]).log_prob(labels)
    value = SHARES["classifier"] * log_q.sum()
    value += SHARES["labelled"] * joint_bound(w, labelled, labels, of_labelled).sum()
    of_class = [
        joint_bound(w, unlabelled, torch.full((UNLABELLED,), c), noise)
        for c, noise in enumerate(of_pairs.split(UNLABELLED))
    ]
    of_unlabelled = Categorical(logits=q.logits[:UNLABELLED])
    u = (of_unlabelled.probs * torch.stack(of_class, -1)).sum(-1) + of_unlabelled.entropy()
    return value + SHARES["unlabelled"] * u.sum()


def main():
    w, rng = Weights(2014), np.random.default_rng(2014)
    x = torch.tensor(rng.uniform(size=(UNLABELLED + len(LABELS), PIXELS)))
    eps = torch.tensor(rng.normal(size=(CLASSES * UNLABELLED + len(LABELS), LATENT)))
    value = objective(w, x, eps)
    (-value).backward()
    print(f"{value.item():.12f}")
    out = {"x": x, "eps": eps, "value": value}
    for name, tensor in w.named.items():
        out |= {f"param.{name}": tensor, f"grad.{name}": tensor.grad}
    out = {name: tensor.detach().clone().contiguous() for name, tensor in out.items()}
    save_file(out, "tests/golden/m2.safetensors")


if __name__ == "__main__":
    main()
