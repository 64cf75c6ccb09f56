"""Which tokens a method must keep, written from its paper's formulas: one prompt, plain loops, float64, no shared code.

Each takes tensors of one prompt and returns the indices kept, ascending.
"""

from __future__ import annotations

from math import exp, sqrt

import torch


def cosine(a, b) -> float:
    a, b = a.double(), b.double()
    lengths = float(a.norm() * b.norm())
    return float(a @ b) / lengths if lengths else 0.0


def divprune(states, keep: int) -> list[int]:
    """Max-min diversity (arXiv 2503.02175): first the one farthest from its neighbours, then the farthest from all."""
    count = len(states)
    distance = [[1 - cosine(a, b) for b in states] for a in states]
    chosen: list[int] = []
    while len(chosen) < keep:
        best, best_distance = -1, -float("inf")
        for i in range(count):
            if i in chosen:
                continue
            others = chosen or [j for j in range(count) if j != i]
            nearest = min((distance[i][j] for j in others), default=0.0)
            if nearest > best_distance + 1e-6:
                best, best_distance = i, nearest
        chosen.append(best)
    return sorted(chosen)


def cdpruner(states, text, keep: int, theta: float = 1.0) -> list[int]:
    """Conditional diversity (arXiv 2506.10967): each step the token that makes the kernel's determinant largest."""
    count = len(states)
    relevance = [sum(cosine(token, word) for word in text) / len(text) for token in states]
    low, high = min(relevance), max(relevance)
    relevance = [(value - low) / (high - low) for value in relevance]
    if theta < 1:
        relevance = [exp(theta / (2 * (1 - theta)) * value) for value in relevance]
    kernel = torch.zeros(count, count, dtype=torch.float64)
    for i in range(count):
        for j in range(count):
            kernel[i, j] = relevance[i] * cosine(states[i], states[j]) * relevance[j]
    largest = float(kernel.diagonal().max())
    chosen: list[int] = []
    before = 1.0
    while len(chosen) < keep:
        rest = [i for i in range(count) if i not in chosen]
        determinants = [float(torch.linalg.det(kernel[chosen + [i]][:, chosen + [i]])) for i in rest]
        best = max(determinants)
        if before > 0 and best / before > 1e-6 * largest:
            chosen.append(rest[determinants.index(best)])
            before = best
        else:  # no further token adds to the determinant
            before = 0.0
            chosen.append(max(rest, key=lambda i: relevance[i]))
    return sorted(chosen)


def dart(states, strength, text_states, text_strength, keep: int, pivots: int = 4) -> list[int]:
    """Duplication-aware reduction (arXiv 2502.11494): pivots stay, and the tokens least like each of them in turn."""
    by_strength = sorted(range(len(states)), key=lambda i: -float(strength[i]))
    own = by_strength[: min(pivots, keep)]
    words = sorted(range(len(text_states)), key=lambda i: -float(text_strength[i]))[:pivots]
    looked_at = [states[i] for i in own] + [text_states[i] for i in words]
    chosen = list(own)
    missing = keep - len(own)
    for number, pivot in enumerate(looked_at):
        quota = missing // len(looked_at) + (number < missing % len(looked_at))
        pool = [i for i in range(len(states)) if i not in chosen]
        pool.sort(key=lambda i: cosine(states[i], pivot))
        chosen += pool[:quota]
    return sorted(chosen)


def v2drop(states, earlier_states, keep: int) -> list[int]:
    """Variation-aware dropping (arXiv 2509.01552): the tokens whose state one layer changed most stay."""
    change = [sqrt(sum((float(a) - float(b)) ** 2 for a, b in zip(*pair))) for pair in zip(states, earlier_states)]
    return sorted(sorted(range(len(change)), key=lambda i: -change[i])[:keep])


def blocks(rows: int, columns: int, height: int, width: int) -> list[list[int]]:
    """The blocks of height x width tokens that a picture is made of, in reading order, each the list of its tokens."""
    return [
        [row * columns + column for row in range(top, top + height) for column in range(left, left + width)]
        for top in range(0, rows, height)
        for left in range(0, columns, width)
    ]
