"""The VAE of a model.safetensors in PyTorch, as an independent witness.

    python tests/golden/vae.py MODEL.safetensors ..

For each MODEL it builds the network that the recipe describes, loads the weights with
load_state_dict (strict, nothing renamed or transposed), and writes MODEL.values.safetensors, in
float64: a batch `x` of the recipe's size, noise `eps`, the forward values, the parts of the ELBO (nats
per image, mean over the batch), and the gradient of -ELBO for every parameter by autograd
(`grad.<name>`). Then it takes 100 steps of Adam with a learning rate of 0.01, step t on batch
`steps.x[t % 10]` with the noise `steps.eps[t]`, and writes the weights after 1, 10 and 100 of them
(`adam1.<name>`, `adam10.<name>`, `adam100.<name>`).

The committed golden values were made by

    cargo run --example golden_model
    python tests/golden/vae.py tests/golden/{linear,relu,sigmoid,tanh,softplus,deep-relu}.safetensors

with torch 2.15, safetensors 0.8 and numpy 2.4. `cargo test --test golden` checks the crate against
them and needs no Python.
"""

import json
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

LOG_VAR_BOUND = 20.0
BATCHES, STEPS = 10, 100
ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}


class Encoder(nn.Module):
    def __init__(self, pixels, hidden, latent, activation):
        super().__init__()
        widths = [pixels, *hidden]
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))
        self.mu = nn.Linear(widths[-1], latent)
        self.log_var = nn.Linear(widths[-1], latent)
        self.activation = activation

    def forward(self, x):
        for layer in self.hidden:
            x = self.activation(layer(x))
        return self.mu(x), self.log_var(x)


class Decoder(nn.Module):
    def __init__(self, latent, hidden, pixels, activation):
        super().__init__()
        widths = [latent, *hidden]
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))
        self.output = nn.Linear(widths[-1], pixels)
        self.activation = activation

    def forward(self, z):
        for layer in self.hidden:
            z = self.activation(layer(z))
        return self.output(z)


class Vae(nn.Module):
    def __init__(self, recipe):
        super().__init__()
        pixels = recipe["image"][0] * recipe["image"][1]
        hidden, latent = recipe["hidden"], recipe["latent"]
        activation = ACTIVATIONS[recipe["activation"]]
        self.encoder = Encoder(pixels, hidden, latent, activation)
        self.decoder = Decoder(latent, hidden[::-1], pixels, activation)

    def forward(self, x, eps):
        mu, log_var = self.encoder(x)
        s = log_var.clamp(-LOG_VAR_BOUND, LOG_VAR_BOUND)
        z = mu + torch.exp(s / 2) * eps
        logits = self.decoder(z)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        reconstruction = -cross_entropy.sum(dim=1).mean()
        kl = (0.5 * (mu**2 + s.exp() - 1 - s)).sum(dim=1).mean()
        values = {"mu": mu, "log_var": log_var, "z": z, "logits": logits}
        return reconstruction - kl, reconstruction, kl, values


def load(path):
    with safe_open(path, "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    vae = Vae(recipe).double()
    vae.load_state_dict(load_file(path), strict=True)
    return vae, recipe


def draw(rng, images, recipe):
    """Images in [0, 1], some black, some white, some grey, and noise."""
    pixels = recipe["image"][0] * recipe["image"][1]
    x = torch.tensor(np.clip(rng.normal(0.5, 0.6, (images, pixels)), 0, 1))
    return x, torch.tensor(rng.normal(size=(images, recipe["latent"])))


def main(model_path):
    vae, recipe = load(model_path)
    rng, batch = np.random.default_rng(2013), recipe["batch_size"]
    x, eps = draw(rng, batch, recipe)

    elbo, reconstruction, kl, values = vae(x, eps)
    (-elbo).backward()
    out = {"x": x, "eps": eps, "elbo": elbo, "reconstruction": reconstruction, "kl": kl, **values}
    out |= {f"grad.{name}": p.grad.clone() for name, p in vae.named_parameters()}

    xs = torch.stack([draw(rng, batch, recipe)[0] for _ in range(BATCHES)])
    noise = torch.stack([draw(rng, batch, recipe)[1] for _ in range(STEPS)])
    out |= {"steps.x": xs, "steps.eps": noise}
    adam = torch.optim.Adam(vae.parameters(), lr=0.01)
    for t in range(STEPS):
        adam.zero_grad()
        (-vae(xs[t % BATCHES], noise[t])[0]).backward()
        adam.step()
        if t + 1 in (1, 10, 100):
            out |= {f"adam{t + 1}.{name}": p.detach().clone() for name, p in vae.named_parameters()}
    out = {name: value.detach().clone().contiguous() for name, value in out.items()}
    save_file(out, model_path.replace(".safetensors", ".values.safetensors"))
    print(f"{model_path}: elbo {elbo:.12f} = {reconstruction:.12f} - {kl:.12f}")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        main(path)
