"""What the peers share: the workloads, MNIST in memory, and how a run is reported."""

import argparse
import gzip
import json
import os
import time
from pathlib import Path

# name: hidden widths, latent, batch size, activation
WORKLOADS = {
    "W1": ([256], 2, 128, "relu"),
    "W2": ([400], 20, 128, "relu"),
    "W3": ([200, 200], 50, 20, "tanh"),
}
LEARNING_RATE = 1e-3


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--scan", action="store_true", help="JAX: compile the epoch as one scan")
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(options.threads)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    return options


def images():
    """The 60,000 training images, (60000, 784), float32 in [0, 1]."""
    import numpy as np

    folder = Path(__file__).parents[2] / "data" / "mnist"
    data = gzip.open(folder / "train-images-idx3-ubyte.gz").read()
    return np.frombuffer(data, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255


def layers(workload):
    """(inputs, outputs) of the encoder's hidden layers, a head, the decoder's layers."""
    hidden, latent, _, _ = WORKLOADS[workload]
    encoder = list(zip([784, *hidden], hidden))
    decoder = list(zip([latent, *hidden[::-1]], [*hidden[::-1], 784]))
    return encoder, (hidden[-1], latent), decoder


def report(epochs, run_epoch):
    """Runs the epochs; prints seconds and the training loss (nats per image) of each as JSON."""
    seconds, losses = [], []
    for _ in range(epochs):
        start = time.perf_counter()
        losses.append(float(run_epoch()))
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "loss": losses}))
