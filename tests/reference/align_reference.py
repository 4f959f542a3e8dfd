"""Numbers for crates/align/tests/reference.rs, with numpy alone and no random numbers.

python3 tests/reference/align_reference.py   (numpy 2.x)
"""

import numpy as np


def wave(shape, a, b, s):
    """Entry k (row-major) is s sin(a k^2 + b), rounded to f32 as the program's inputs are."""
    k = np.arange(np.prod(shape))
    return (s * np.sin(a * k * k + b)).astype(np.float32).astype(np.float64).reshape(shape)


def show(name, values):
    print(name, " ".join(f"{v:.12f}" for v in np.ravel(values)))


# Two images of 2 channels, 4 rows and 5 columns, and all their 2x2 patches, channel-major. Flattened in another order
# the eigenvalues would be the same, but neither the rows of the matrices nor the eigenvectors.
images = wave((2, 2, 4, 5), 0.83, 0.2, 1.3) + np.array([0.5, -0.2]).astype(np.float32).reshape(1, 2, 1, 1)
images = images.astype(np.float32).astype(np.float64)
patches = np.array([
    images[n, :, y : y + 2, x : x + 2].ravel() for n in range(2) for y in range(3) for x in range(4)
])
covariance = np.cov(patches, rowvar=False)
moment = patches.T @ patches / len(patches)
show("covariance row 1", covariance[1])
show("moment row 1", moment[1])
values, vectors = np.linalg.eigh(covariance)
values, vectors = values[::-1], vectors[:, ::-1]
show("eigenvalues", values)
first = vectors[:, 0] * np.sign(vectors[np.argmax(abs(vectors[:, 0])), 0])
show("first eigenvector", first)

# Twelve filters of 4 weights against a diagonal data covariance.
filters = wave((12, 4), 1.7, 0.4, 0.5) * np.array([2.0, 1.0, 0.7, 0.5])
filters = filters.astype(np.float32).astype(np.float64)
weights = np.cov(filters, rowvar=False)
inverse = np.linalg.inv(weights)
show("f", np.sqrt(np.diag(weights)))
show("misalignment", [np.sum(np.sqrt(np.diag(weights) * np.diag(inverse)) - 1)])
pairs = [weights[:2, :2], weights[2:, 2:]], [inverse[:2, :2], inverse[2:, 2:]]
show("in two planes", [sum(np.sqrt(np.trace(a) * np.trace(b)) for a, b in zip(*pairs)) - 4])
show("energy", np.mean(filters**2, axis=0))

# A profile near the closed form at rate 0.8.
eigenvalues = np.array([20.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1])
profile = ((1 - np.exp(-0.8 * eigenvalues)) / np.sqrt(eigenvalues) * (1 + 0.1 * np.sin(np.arange(7)))) ** 2
rates = np.exp(np.linspace(np.log(0.01), np.log(100), 2_000_001))
best = (-2.0, 0.0)
for chunk in np.array_split(rates, 200):
    forms = (1 - np.exp(-chunk[:, None] * eigenvalues)) / np.sqrt(eigenvalues)
    forms = forms - forms.mean(axis=1, keepdims=True)
    target = np.sqrt(profile) - np.sqrt(profile).mean()
    r = forms @ target / np.sqrt((forms**2).sum(axis=1) * (target**2).sum())
    best = max(best, (r.max(), chunk[r.argmax()]))
show("closed form: correlation, rate", best)
