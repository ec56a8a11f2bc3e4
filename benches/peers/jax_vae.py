"""JAX: the step compiled, or (--scan) the whole epoch compiled as one scan."""

from common import LEARNING_RATE, WORKLOADS, arguments, images, layers, report

options = arguments()

import jax  # noqa: E402  (after the number of threads is set)
from jax import numpy as jnp  # noqa: E402
from jax import random  # noqa: E402

_, _, batch, kind = WORKLOADS[options.workload]
activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[kind]
encoder, head, decoder = layers(options.workload)


def dense(key, inputs, outputs):
    bound = inputs**-0.5
    draw = lambda key, shape: random.uniform(key, shape, minval=-bound, maxval=bound)  # noqa: E731
    one, other = random.split(key)
    return draw(one, (inputs, outputs)), draw(other, (outputs,))


shapes = [*encoder, head, head, *decoder]
keys = random.split(random.key(0), len(shapes))
parameters = [dense(key, *shape) for key, shape in zip(keys, shapes)]
zeros = jax.tree.map(jnp.zeros_like, parameters)
data = jnp.asarray(images())
whole = len(data) // batch
rest = len(data) % batch


def loss(parameters, x, key):
    affine = lambda layer, h: h @ layer[0] + layer[1]  # noqa: E731
    h = x
    for layer in parameters[: len(encoder)]:
        h = activation(affine(layer, h))
    to_mu, to_log_var, *layers_ = parameters[len(encoder) :]
    mu, log_var = affine(to_mu, h), affine(to_log_var, h)
    h = mu + jnp.exp(log_var / 2) * random.normal(key, mu.shape)
    for layer in layers_[:-1]:
        h = activation(affine(layer, h))
    logits = affine(layers_[-1], h)
    cross_entropy = jnp.maximum(logits, 0) - x * logits + jnp.log1p(jnp.exp(-jnp.abs(logits)))
    kl = 0.5 * (mu**2 + jnp.exp(log_var) - 1 - log_var)
    return (cross_entropy.sum() + kl.sum()) / len(x)


def step(state, indices, key):
    parameters, m, v, t = state
    x = data[indices]
    value, gradient = jax.value_and_grad(loss)(parameters, x, key)
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
    size, root = LEARNING_RATE / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
    update = lambda p, m, v: p - size * m / (jnp.sqrt(v) / root + 1e-8)  # noqa: E731
    return (jax.tree.map(update, parameters, m, v), m, v, t), value * len(x)


@jax.jit
def scanned(state, key):
    shuffle, noise = random.split(key)
    order = random.permutation(shuffle, len(data))
    keys = random.split(noise, whole + 1)
    batches = order[: whole * batch].reshape(whole, batch)
    state, losses = jax.lax.scan(lambda s, xs: step(s, *xs), state, (batches, keys[:-1]))
    total = losses.sum()
    if rest:
        state, last = step(state, order[whole * batch :], keys[-1])
        total = total + last
    return state, total


compiled = jax.jit(step, donate_argnums=0)


def stepped(state, key):
    shuffle, noise = random.split(key)
    order = random.permutation(shuffle, len(data))
    keys = random.split(noise, whole + 1)
    losses = []
    for i, key in enumerate(keys[: whole + (rest > 0)]):
        state, value = compiled(state, order[i * batch : (i + 1) * batch], key)
        losses.append(value)
    return state, sum(losses)


state, key = (parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(0)), random.key(1)
run = scanned if options.scan else stepped


def epoch():
    global state, key
    key, now = random.split(key)
    state, total = run(state, now)
    return total.block_until_ready() / len(data)


# The first epoch compiles; run.py leaves it out.
report(options.epochs, epoch)
