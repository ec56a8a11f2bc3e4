"""Two layers, a flow, the VampPrior and a conditional VAE in PyTorch, as an independent witness.

    python tests/golden/deep.py

It draws the weights of a small model of each kind, a batch `x` (5, pixels) and the noise of three latent
samples of each image, `eps` (3 x 5, noise; row 5 k + n is sample k of image n), and writes
tests/golden/deep.safetensors, in float64. Under `two_layer.`, `iaf.`, `vamp.` and `conditional.` are: the
weights (`param.<name>`), x and eps, the forward values, and for each objective its value and, by autograd,
the gradient of minus that value for every weight (`<objective>.grad.<name>`).

Nothing here knows of a formula that the crate has: log-densities are those of torch.distributions, and the
flow's determinant is that of its whole Jacobian, by automatic differentiation.

Made with torch 2.15, safetensors 0.8 and numpy 2.4. `cargo test --test golden` needs no Python.
"""

import math

import numpy as np
import torch
from safetensors.torch import save_file
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal
from torch.func import jacrev, vmap
from torch.nn.functional import linear, one_hot

PIXELS, IMAGES, SAMPLES, BETA, GATE_BIAS = 12, 5, 3, 0.7, 2.0


class Weights:
    """Named weights that are drawn when they are first asked for."""

    def __init__(self, seed):
        self.rng, self.named = np.random.default_rng(seed), {}

    def draw(self, name, *shape):
        if name not in self.named:
            values = self.rng.normal(size=shape) / math.sqrt(shape[-1])
            self.named[name] = torch.tensor(values, requires_grad=True)
        return self.named[name]

    def dense(self, name, x, outputs, mask=None):
        weight = self.draw(f"{name}.weight", outputs, x.shape[-1])
        weight = weight if mask is None else weight * mask
        return linear(x, weight, self.draw(f"{name}.bias", outputs))

    def mlp(self, name, x, widths):
        for i, width in enumerate(widths):
            x = torch.tanh(self.dense(f"{name}.{i}", x, width))
        return x

    def gated(self, name, x, widths):
        for i, width in enumerate(widths):
            value = self.dense(f"{name}.{i}.value", x, width)
            x = value * torch.sigmoid(self.dense(f"{name}.{i}.gate", x, width))
        return x

    def gaussian(self, name, x, widths, latent, network=mlp):
        h = network(self, f"{name}.hidden", x, widths)
        return h, self.dense(f"{name}.mu", h, latent), self.dense(f"{name}.log_var", h, latent)

    def decoder(self, z, widths, network=mlp):
        return self.dense("decoder.output", network(self, "decoder.hidden", z, widths), PIXELS)


def normal(mu, log_var):
    return Normal(mu, torch.exp(log_var / 2))


def standard(z):
    return Normal(0.0, 1.0).log_prob(z).sum(-1)


def two_layer(w, x, eps):
    """784-[200, 200]-100-[100, 100]-50 of the paper, made small: 12-[7, 6]-4-[5]-3."""
    _, mu, log_var = w.gaussian("encoder", x, [7, 6], 4)
    z1 = mu + torch.exp(log_var / 2) * eps[..., :4]
    logits = w.decoder(z1, [6, 7])
    _, mu2, log_var2 = w.gaussian("encoder2", z1, [5], 3)
    z2 = mu2 + torch.exp(log_var2 / 2) * eps[..., 4:]
    _, mu_p, log_var_p = w.gaussian("decoder2", z2, [5], 4)
    log_p = normal(mu_p, log_var_p).log_prob(z1).sum(-1) + standard(z2)
    log_q = normal(mu, log_var).log_prob(z1).sum(-1) + normal(mu2, log_var2).log_prob(z2).sum(-1)
    return mu, log_var, z1, logits, log_p - log_q


def step(w, t, z, context, latent, width):
    """One step of the flow. Positions count along the step's order, which is reversed in every other."""
    position = torch.arange(latent) if t % 2 == 0 else latent - 1 - torch.arange(latent)
    seen = torch.arange(width) % latent
    into = (position[None, :] < seen[:, None]).double()
    out_of = (seen[None, :] <= position[:, None]).double()
    h = torch.tanh(w.dense(f"flow.{t}.hidden", z, width, into) + context)
    m = w.dense(f"flow.{t}.mean", h, latent, out_of)
    s = torch.sigmoid(w.dense(f"flow.{t}.gate", h, latent, out_of) + GATE_BIAS)
    return s * z + (1 - s) * m


def iaf(w, x, eps, latent=4, width=9, steps=3):
    h, mu, log_var = w.gaussian("encoder", x, [7], latent)
    context = w.dense("context", h, width)

    def flow(eps, mu, log_var, context):
        z = mu + torch.exp(log_var / 2) * eps
        for t in range(steps):
            z = step(w, t, z, context, latent, width)
        return z

    z = flow(eps, mu, log_var, context)
    per_image = vmap(jacrev(flow), in_dims=(0, 0, 0, 0))
    jacobian = vmap(per_image, in_dims=(0, None, None, None))(eps, mu, log_var, context)
    log_q = standard(eps) - torch.linalg.slogdet(jacobian).logabsdet
    return mu, log_var, z, w.decoder(z, [7]), standard(z) - log_q


def vamp(w, x, eps, latent=4, components=6):
    """Gated layers, and a prior that is the mixture of the posteriors of the pseudo-inputs."""
    _, mu, log_var = w.gaussian("encoder", x, [7, 6], latent, Weights.gated)
    z = mu + torch.exp(log_var / 2) * eps
    logits = w.decoder(z, [6, 7], Weights.gated)
    u = torch.sigmoid(w.draw("prior.pseudo_inputs", components, PIXELS))
    _, mu_u, log_var_u = w.gaussian("encoder", u, [7, 6], latent, Weights.gated)
    lots = Categorical(torch.ones(components, dtype=torch.float64))
    prior = MixtureSameFamily(lots, Independent(normal(mu_u, log_var_u), 1))
    return mu, log_var, z, logits, prior.log_prob(z) - normal(mu, log_var).log_prob(z).sum(-1)


def conditional(w, x, eps, latent=4, classes=3):
    """Image n is of class n mod 3."""
    y = one_hot(torch.arange(IMAGES) % classes, classes).double()
    _, mu, log_var = w.gaussian("encoder", torch.cat([x, y], -1), [7, 6], latent)
    z = mu + torch.exp(log_var / 2) * eps
    logits = w.decoder(torch.cat([z, y.expand(SAMPLES, -1, -1)], -1), [6, 7])
    return mu, log_var, z, logits, standard(z) - normal(mu, log_var).log_prob(z).sum(-1)


OBJECTIVES = {
    "sampled": lambda log_prob, log_ratio: (log_prob + BETA * log_ratio).mean(),
    "iwae": lambda log_prob, log_ratio: (
        torch.logsumexp(log_prob + log_ratio, 0) - math.log(SAMPLES)
    ).mean(),
}


def witness(model, noise, seed):
    rng = np.random.default_rng(seed)
    x = torch.tensor((rng.random((IMAGES, PIXELS)) < 0.4).astype(float))
    eps = torch.tensor(rng.normal(size=(SAMPLES, IMAGES, noise)))
    w = Weights(seed + 1)
    names = ["mu", "log_var", "z", "logits", "log_ratio"]
    model(w, x, eps)  # Draws the weights.
    values = dict(zip(names, model(w, x, eps)))
    values["log_prob"] = Bernoulli(logits=values["logits"]).log_prob(x).sum(-1)
    out = {"x": x, "eps": eps.flatten(0, 1)} | {f"param.{n}": p for n, p in w.named.items()}
    out |= {name: v if v.shape[0] == IMAGES else v.flatten(0, 1) for name, v in values.items()}
    for name, objective in OBJECTIVES.items():
        value = objective(values["log_prob"], values["log_ratio"])
        grads = torch.autograd.grad(-value, list(w.named.values()), retain_graph=True)
        print(f"{model.__name__}, {name}: {value:.12f}")
        out[f"{name}.value"] = value
        out |= {f"{name}.grad.{n}": g for n, g in zip(w.named, grads)}
    return {f"{model.__name__}.{name}": v for name, v in out.items()}


def main():
    out = witness(two_layer, 7, 2015) | witness(iaf, 4, 2016)
    out |= witness(vamp, 4, 2018) | witness(conditional, 4, 2014)
    out = {name: value.detach().clone().contiguous() for name, value in out.items()}
    save_file(out, "tests/golden/deep.safetensors")


if __name__ == "__main__":
    main()
