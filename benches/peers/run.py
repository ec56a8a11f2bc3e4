"""elbo against PyTorch, JAX and NumPy on the same work, in one sitting.

    python benches/peers/run.py [--workloads W1 W2 W3] [--threads 1 2] [--rounds 3]

Makes a virtual environment in target/peers, installs the peers into it, builds elbo, and runs all of
them in turn, round after round, each in a process of its own on the same processors: three epochs
of MNIST with shuffle, gather, forward, backward and Adam, of which the first, which compiles and
warms up, does not count. Prints for each peer the median over the rounds of its seconds per epoch
over elbo's in the same round: above 1, elbo is faster.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / "target" / "peers"
PYTHON = ENVIRONMENT / "bin" / "python"
PEERS = {
    "JAX, epoch as one scan": ["jax_vae.py", "--scan"],
    "JAX, compiled step": ["jax_vae.py"],
    "PyTorch, eager": ["torch_vae.py"],
    "NumPy by hand": ["numpy_vae.py"],
}
ELBO = {
    "W1": ["--hidden", "256", "--latent", "2", "--batch-size", "128"],
    "W2": ["--hidden", "400", "--latent", "20", "--batch-size", "128"],
    "W3": ["--hidden", "200,200", "--latent", "50", "--batch-size", "20", "--set", "activation=tanh"],
}
EPOCHS = 3


def install():
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"]
    subprocess.run(pip, check=True)
    subprocess.run(["cargo", "build", "--release", "--quiet"], check=True, cwd=ROOT)


def elbo(workload, threads):
    """Seconds and losses of each epoch, the training part alone, as elbo itself reports them."""
    processors = sorted(os.sched_getaffinity(0))[:threads]
    with tempfile.TemporaryDirectory() as out:
        command = [ROOT / "target/release/elbo", "train", *ELBO[workload], "--out", out]
        command += ["--epochs", str(EPOCHS), "--threads", str(threads)]
        pin = lambda: os.sched_setaffinity(0, processors)  # noqa: E731
        subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.DEVNULL, preexec_fn=pin)
        rows = list(csv.DictReader(open(Path(out) / "metrics.csv")))
    return [float(r["seconds"]) for r in rows], [-float(r["train_elbo"]) for r in rows]


def peer(script, workload, threads):
    command = [PYTHON, HERE / script[0], workload, *script[1:]]
    command += ["--threads", str(threads), "--epochs", str(EPOCHS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    report = json.loads(done.stdout)
    return report["seconds"], report["loss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=ELBO, default=list(ELBO))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, os.cpu_count()])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    install()
    print(f"{'workload':9}{'threads':>8}  {'peer':24}{'speed of elbo':>14}  loss after {EPOCHS} epochs")
    for workload in options.workloads:
        for threads in options.threads:
            ratios, losses = {name: [] for name in PEERS}, {}
            for _ in range(options.rounds):
                seconds, losses["elbo"] = elbo(workload, threads)
                ours = statistics.median(seconds[1:])
                for name, script in PEERS.items():
                    seconds, losses[name] = peer(script, workload, threads)
                    ratios[name].append(statistics.median(seconds[1:]) / ours)
            for name in PEERS:
                ratio = statistics.median(ratios[name])
                both = f"{losses[name][-1]:.1f} (elbo {losses['elbo'][-1]:.1f})"
                print(f"{workload:9}{threads:8}  {name:24}{ratio:13.2f}x  {both}")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
