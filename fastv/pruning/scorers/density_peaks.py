"""Clusters around density peaks, by the nearest neighbours: what SparseVLM recycles dropped tokens with."""

from __future__ import annotations

import torch
from torch import Tensor


def density_peaks(states: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """Cluster m tokens.

    A token is a centre where its neighbourhood is dense and the next denser one is far: density is
    ``exp(-mean d²)`` over the ``clusters`` nearest tokens, itself included, and d is the Euclidean distance over the
    root of the width. The tokens with the highest product of density and that distance are the centres; of equal
    ones the earlier. Every other token belongs to the nearest centre.

    Parameters
    ----------
    states : Tensor
        floating (m, width).
    clusters : int
        1 to m.

    Returns
    -------
    centres : Tensor
        long (clusters,).
    members : Tensor
        long (m,): the number of the centre in ``centres`` that each token belongs to.

    References
    ----------
    Rodriguez and Laio, "Clustering by fast search and find of density peaks", Science 2014.
    Du et al., "Study on density peaks clustering based on k-nearest neighbors and principal component analysis",
    Knowledge-Based Systems 2016.
    """
    count, width = states.shape
    with torch.autocast(states.device.type, enabled=False):
        exact = "donot_use_mm_for_euclid_dist"
        distance = torch.cdist(states.float(), states.float(), compute_mode=exact) / width**0.5
    density = distance.topk(clusters, dim=1, largest=False).values.square().mean(dim=1).neg().exp()
    order = density.argsort(descending=True, stable=True)  # of equal densities the earlier one counts as denser
    place = torch.empty_like(order)
    place[order] = torch.arange(count, device=order.device)
    denser = place[None, :] < place[:, None]
    isolation = distance.masked_fill(~denser, float("inf")).amin(dim=1).clamp(max=distance.max())
    centres = (density * isolation).argsort(descending=True, stable=True)[:clusters]
    members = distance[:, centres].argmin(dim=1)
    members[centres] = torch.arange(clusters, device=centres.device)
    return centres, members


def cluster_means(states: Tensor, members: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """The mean state of each cluster, in the states' dtype, and how many tokens it has: (clusters, width), (clusters,).

    Sums are float32.
    """
    sums = torch.zeros(clusters, states.shape[1], device=states.device).index_add_(0, members, states.float())
    counts = torch.zeros(clusters, device=states.device).index_add_(
        0, members, torch.ones(len(members), device=states.device)
    )
    return (sums / counts[:, None]).to(states.dtype), counts
