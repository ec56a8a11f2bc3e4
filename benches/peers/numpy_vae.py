"""NumPy, forward, backward and Adam by hand, in place where NumPy allows it."""

from common import LEARNING_RATE, WORKLOADS, arguments, images, layers, report

options = arguments()

import numpy as np  # noqa: E402  (after the number of threads is set)

rng = np.random.default_rng(0)
_, latent, batch, kind = WORKLOADS[options.workload]
encoder, head, decoder = layers(options.workload)


def dense(inputs, outputs):
    bound = inputs**-0.5
    draw = lambda *shape: rng.uniform(-bound, bound, shape).astype(np.float32)  # noqa: E731
    return [draw(inputs, outputs), draw(outputs)]


encoder = [dense(i, o) for i, o in encoder]
to_mu, to_log_var = dense(*head), dense(*head)
decoder = [dense(i, o) for i, o in decoder]
parameters = [p for layer in (*encoder, to_mu, to_log_var, *decoder) for p in layer]
m, v = ([np.zeros_like(p) for p in parameters] for _ in range(2))
data = images()
steps = 0


def activate(h):
    return np.maximum(h, 0, out=h) if kind == "relu" else np.tanh(h, out=h)


def derivative(h, d):
    return d * (h > 0) if kind == "relu" else d * (1 - h * h)


def step(x):
    global steps
    hs, gs = [x], []
    for w, b in encoder:
        hs.append(activate(hs[-1] @ w + b))
    mu, log_var = hs[-1] @ to_mu[0] + to_mu[1], hs[-1] @ to_log_var[0] + to_log_var[1]
    eps = rng.standard_normal(mu.shape, dtype=np.float32)
    sigma = np.exp(log_var / 2)
    gs.append(mu + sigma * eps)
    for w, b in decoder[:-1]:
        gs.append(activate(gs[-1] @ w + b))
    logits = gs[-1] @ decoder[-1][0] + decoder[-1][1]
    t = np.exp(-np.abs(logits))
    loss = np.sum(np.maximum(logits, 0) - x * logits + np.log1p(t))
    loss += 0.5 * np.sum(mu**2 + sigma**2 - 1 - log_var)

    n = np.float32(len(x))
    d = (np.where(logits >= 0, 1, t) / (1 + t) - x) / n
    gradients = []
    for i in range(len(decoder) - 1, -1, -1):
        gradients += [d.sum(0), gs[i].T @ d]
        d = d @ decoder[i][0].T
        if i > 0:
            d = derivative(gs[i], d)
    d_mu = d + mu / n
    d_log_var = d * eps * sigma / 2 + (sigma**2 - 1) / (2 * n)
    gradients += [d_log_var.sum(0), hs[-1].T @ d_log_var, d_mu.sum(0), hs[-1].T @ d_mu]
    d = d_mu @ to_mu[0].T + d_log_var @ to_log_var[0].T
    for i in range(len(encoder) - 1, -1, -1):
        d = derivative(hs[i + 1], d)
        gradients += [d.sum(0), hs[i].T @ d]
        if i > 0:
            d = d @ encoder[i][0].T
    steps += 1
    size = LEARNING_RATE / (1 - 0.9**steps)
    root = (1 - 0.999**steps) ** 0.5
    for p, g, m_, v_ in zip(parameters, reversed(gradients), m, v):
        m_ += np.float32(0.1) * (g - m_)
        v_ *= np.float32(0.999)
        v_ += np.float32(0.001) * g * g
        p -= np.float32(size) * m_ / (np.sqrt(v_) / np.float32(root) + np.float32(1e-8))
    return loss


def epoch():
    order = rng.permutation(len(data))
    return sum(step(data[order[i : i + batch]]) for i in range(0, len(data), batch)) / len(data)


report(options.epochs, epoch)
