"""PyTorch, eager, tensors in memory, fused Adam."""

from common import LEARNING_RATE, WORKLOADS, arguments, images, layers, report

options = arguments()

import torch  # noqa: E402  (after the number of threads is set)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(options.threads)
torch.manual_seed(0)
_, _, batch, activation = WORKLOADS[options.workload]
activation = {"relu": torch.relu, "tanh": torch.tanh}[activation]
encoder, head, decoder = layers(options.workload)
encoder = nn.ModuleList(nn.Linear(i, o) for i, o in encoder)
to_mu, to_log_var = nn.Linear(*head), nn.Linear(*head)
decoder = nn.ModuleList(nn.Linear(i, o) for i, o in decoder)
parameters = [p for m in (encoder, to_mu, to_log_var, decoder) for p in m.parameters()]
adam = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
data = torch.from_numpy(images())


def step(x):
    h = x
    for layer in encoder:
        h = activation(layer(h))
    mu, log_var = to_mu(h), to_log_var(h)
    h = mu + torch.exp(log_var / 2) * torch.randn_like(mu)
    for layer in decoder[:-1]:
        h = activation(layer(h))
    logits = decoder[-1](h)
    loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    loss = loss + 0.5 * torch.sum(mu**2 + log_var.exp() - 1 - log_var)
    adam.zero_grad()
    (loss / len(x)).backward()
    adam.step()
    return loss.detach()


def epoch():
    order = torch.randperm(len(data))
    losses = [step(data[order[i : i + batch]]) for i in range(0, len(data), batch)]
    return sum(losses) / len(data)


report(options.epochs, epoch)
