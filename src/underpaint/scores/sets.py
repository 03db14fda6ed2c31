"""How far apart two sets of pictures are, by a class network's features: the kernel distance.

Notation
    a, b   features of one set and of the other, a row a picture
    k      the kernel (x·y / d + 1)³ of Bińkowski et al. 2018, section 3, for features of width d
"""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def kernel_distance(a: Float[Tensor, "image f"], b: Float[Tensor, "image2 f"]) -> float:
    """Unbiased squared MMD of two sets that are independent; near 0, or below it, for sets alike.

    `mean k(a_i, a_j) + mean k(b_i, b_j) - 2 mean k(a_i, b_j)`, the first two over i ≠ j (Gretton
    et al. 2012, equation 3).
    """

    def within(x: Tensor) -> Tensor:
        each = _kernel(x, x)
        return (each.sum() - each.trace()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * _kernel(a, b).mean())


def paired_distances(
    a: Float[Tensor, "image f"], b: Float[Tensor, "image f"]
) -> Float64[Tensor, "image"]:
    """Give each pair's part in the squared MMD of two sets whose pictures go in pairs.

    An edited picture is like its unedited one, so the two sets are not independent: the pairs
    themselves, i = j, stay out (Gretton et al. 2012, equation 4). Part i is the mean over j ≠ i of
    `k(a_i, a_j) + k(b_i, b_j) - k(a_i, b_j) - k(a_j, b_i)`, and the mean of all parts is the
    distance. NaN for a single pair.
    """
    cross = _kernel(a, b)
    each = _kernel(a, a) + _kernel(b, b) - cross - cross.mT
    if len(a) < 2:
        return torch.full((len(a),), math.nan, dtype=torch.float64)
    return (each.sum(dim=1) - each.diagonal()) / (len(a) - 1)


def _kernel(a: Float[Tensor, "image f"], b: Float[Tensor, "image2 f"]) -> Float64[Tensor, "..."]:
    return (a.double() @ b.double().mT / a.shape[1] + 1) ** 3
