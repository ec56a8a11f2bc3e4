"""The ELBO and log p(x) of a trained `davidson-2` in PyTorch, as a second opinion on `elbo evaluate`.

    python recipes/results/davidson-2/log_likelihood.py runs/davidson-2/model.safetensors

On 1500 test images, drawn and binarised by a seed, with 500 importance samples of each. For the weights of
this folder it prints: elbo -136.40, log p(x) -132.61 +- 1.15.

Made with torch 2.15, safetensors 0.8 and numpy 2.4.
"""

import gzip
import math
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import linear, relu

IMAGES, SAMPLES, BATCH = 1500, 500, 20


def test_images():
    with gzip.open("data/mnist/t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 784).astype(np.float32)) / 255


@torch.no_grad()
def main():
    torch.manual_seed(1)
    weights = load_file(sys.argv[1])

    def dense(name, x):
        return linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def hidden(network, x):
        return relu(dense(f"{network}.hidden.1", relu(dense(f"{network}.hidden.0", x))))

    images = test_images()
    images = images[torch.randperm(len(images))[:IMAGES]]
    elbo, log_p = [], []
    for start in range(0, IMAGES, BATCH):
        x = torch.bernoulli(images[start : start + BATCH])
        h = hidden("encoder", x)
        q = Normal(dense("encoder.mu", h), torch.exp(dense("encoder.log_var", h) / 2))
        z = q.sample((SAMPLES,))
        logits = dense("decoder.output", hidden("decoder", z))
        log_w = Bernoulli(logits=logits).log_prob(x).sum(-1)
        log_w += (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
        elbo += log_w.mean(0).tolist()
        log_p += (torch.logsumexp(log_w, 0) - math.log(SAMPLES)).tolist()
    error = np.std(log_p) / math.sqrt(IMAGES)
    print(f"elbo {np.mean(elbo):.2f}, log p(x) {np.mean(log_p):.2f} +- {error:.2f}")


if __name__ == "__main__":
    main()
