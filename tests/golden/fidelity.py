"""Structural similarity and bicubic interpolation by well-known libraries, for tests/completion.rs.

    python tests/golden/fidelity.py

Writes tests/golden/fidelity.safetensors, in float32: `a` and `b` (2, 28 x 28), two images and what a noise
has made of them, smooth in one pair and not in the other; `ssim` (2), by scikit-image with the weights,
window and constants of the paper; `small` (2, 7 x 5) and `large` (2, 28 x 20), the same four times as
large by Pillow's bicubic filter, whose kernel has a = -1/2.

Made with scikit-image 0.26, pillow 13.0, safetensors 0.8 and numpy 2.4. The tests need no Python.
"""

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from skimage.metrics import structural_similarity

rng = np.random.default_rng(15)
y, x = np.mgrid[:28, :28] / 28
smooth = 0.5 + 0.5 * np.sin(7 * x + 4 * y)
rough = rng.uniform(size=(28, 28))
a = np.stack([smooth, rough])
b = np.clip(a + 0.15 * rng.standard_normal(a.shape), 0, 1)
a, b = a.astype(np.float32), b.astype(np.float32)
ssim = [
    structural_similarity(
        i.astype(np.float64),
        j.astype(np.float64),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    for i, j in zip(a, b)
]
small = rng.uniform(size=(2, 7, 5)).astype(np.float32)
large = [np.asarray(Image.fromarray(s).resize((20, 28), Image.Resampling.BICUBIC)) for s in small]
save_file(
    {
        "a": a.reshape(2, -1),
        "b": b.reshape(2, -1),
        "ssim": np.array(ssim, dtype=np.float32),
        "small": small.reshape(2, -1),
        "large": np.stack(large).reshape(2, -1).astype(np.float32),
    },
    "tests/golden/fidelity.safetensors",
)
