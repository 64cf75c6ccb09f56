"""What a run costs, by arithmetic from the model's config: no weights, no torch.

Two conventions, and every figure belongs to one of them:

- ``paper``: the formula of the FastV paper (arXiv 2403.06764). Decoder layers only, ``4nd² + 2n²d + 2ndm`` each: one
  FLOP per multiply-add and two FFN matrices. After pruning it counts ``n_text + n_visual (1 - R)`` tokens,
  not rounded. The paper has no formula for decoding; the same terms for one query over the cache are used. Nor has it
  one for layers that keep a state: in place of ``2n²d`` these count three times their state's numbers for each token.
- ``exact``: two FLOPs per multiply-add of every matrix product that runs: the gated FFN's three matrices, grouped keys
  and values, vision tower, projector, and lm_head for the last position alone, as ``generate`` computes it. Attention
  counts the whole n x n square, as torch's FlopCounterMode does; kernels that skip its masked half do less. Norms,
  rotary embedding and softmax are left out. What choosing the visual tokens takes is counted where it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from fastv.costs.decoder_layers import attention_flops, ffn_flops, layer_flops, mean_keys
from fastv.costs.memory import kv_cache_bytes, parameter_bytes
from fastv.errors import InvalidBudgetError
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.validation import fraction, one_of, whole

CONVENTIONS = ("paper", "exact")


@dataclass(frozen=True)
class Cost:
    """What one prompt and its answer cost. FLOPs are in ``convention``; bytes are real sizes whatever the convention.

    Attributes
    ----------
    vision_tower_flops, projector_flops, lm_head_flops
        Of the prompt; 0 in ``paper``. lm_head runs for the last position alone.
    layer_flops
        Prefill of each decoder layer.
    attention_flops, ffn_flops
        Prefill of all decoder layers by part: q, k, v, o and the two n x n products, and the FFN.
    decoder_prefill_flops
        Their sum, which is also that of ``layer_flops``.
    prefill_flops
        The same with vision tower, projector, lm_head and the method's own.
    decode_flops_per_token
        Mean over the decode steps; the first step's where there is none to average.
    decode_flops
        All decode steps: an answer of t tokens takes t - 1, since prefill yields the first.
    total_flops
        Prefill and decode.
    kv_cache_bytes
        Of the cache when the answer is complete.
    parameter_bytes
        Of the weights.
    method_flops
        What a pruning method takes to choose the tokens that stay, a part of the prefill; 0 in ``paper``.
    """

    convention: str
    vision_tower_flops: float
    projector_flops: float
    layer_flops: tuple[float, ...]
    attention_flops: float
    ffn_flops: float
    decoder_prefill_flops: float
    lm_head_flops: float
    prefill_flops: float
    decode_flops_per_token: float
    decode_flops: float
    total_flops: float
    kv_cache_bytes: int
    parameter_bytes: int
    method_flops: float = 0.0

    @property
    def layer_average_flops(self) -> float:
        """Prefill FLOPs of a decoder layer on average: the quantity of the paper's Table 1."""
        return self.decoder_prefill_flops / len(self.layer_flops)

    def for_batch(self, batch: int) -> Cost:
        """The same for ``batch`` sequences read and answered together: all but the weights is there once for each.

        ``decode_flops_per_token`` becomes that of one step, a token for every sequence. Raises InvalidBudgetError.
        """
        batch = whole(batch, "batch", low=1, error=InvalidBudgetError)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        scaled = {name: value * batch for name, value in values.items() if isinstance(value, int | float)}
        layers = tuple(flops * batch for flops in self.layer_flops)
        return Cost(**values | scaled | {"layer_flops": layers, "parameter_bytes": self.parameter_bytes})


def kept_tokens(visual_tokens: int, r: float) -> int:
    """How many visual tokens are left when a fraction ``r`` of them is dropped (Python's round, ties to even)."""
    return round(visual_tokens * (1 - r))


def prefill_flops(
    config: Any,
    text_tokens: int = 36,
    visual_tokens: int = 576,
    k: int | None = 2,
    r: float = 0.5,
    convention: str = "paper",
) -> float:
    """FLOPs of all decoder layers while the prompt is read; parameters as ``cost``."""
    return cost(
        config, text_tokens=text_tokens, visual_tokens=visual_tokens, answer_tokens=1, k=k, r=r, convention=convention
    ).decoder_prefill_flops


def cost(
    config: Any,
    *,
    text_tokens: int,
    visual_tokens: int,
    answer_tokens: int,
    k: int | None,
    r: float,
    pictures: int | None = None,
    frames: int = 0,
    encoded_tokens: int | None = None,
    stages: Sequence[tuple[int, int]] | None = None,
    method_flops: float = 0.0,
    convention: str = "exact",
    dtype: str = "float16",
) -> Cost:
    """FLOPs and bytes of one prompt and its answer, for one sequence.

    Parameters
    ----------
    config
        What ``fastv.families.config_reader.read_shape`` takes. A config of a decoder alone has no vision tower and no
        projector to count.
    text_tokens
        Text tokens of the prompt.
    visual_tokens
        Visual tokens of the whole prompt, all ``pictures`` and all ``frames`` of videos together, which are taken to
        be alike where their tokens depend on their size.
    answer_tokens
        Tokens of the answer, the first included.
    k, r
        Drop the fraction r of the visual tokens on entering decoder layer k, counted from 0; ``k=None`` or ``r=0``
        means no pruning. Without effect where ``stages`` are given.
    pictures
        By default one if there are visual tokens and no frames, else none.
    frames
        Frames of all videos.
    encoded_tokens
        Tokens that the vision tower makes, where these are fewer because it reads pictures and frames at a lower
        resolution, or more because some of its tiles' do not enter the prompt; by default what so many visual tokens
        come from.
    stages
        For each cut of a method the decoder layer on entering which it is made, and the visual tokens left after it.
    method_flops
        FLOPs of choosing them.
    convention
        "paper" or "exact", see the module.
    dtype
        How weights and cache are held, one of ``memory.DTYPES``.

    Raises
    ------
    InvalidBudgetError
        For values out of range.
    UnsupportedModelError
        For a config of a model whose layers are not known.
    """
    shape = read_shape(config)
    check_pruning(k, r, shape.decoder.layers)
    one_of(convention, "convention", CONVENTIONS, error=InvalidBudgetError)
    if pictures is None:
        pictures = 1 if visual_tokens and not frames else 0
    counts = {
        "text_tokens": text_tokens,
        "visual_tokens": visual_tokens,
        "answer_tokens": answer_tokens,
        "pictures": pictures,
        "frames": frames,
        "encoded_tokens": visual_tokens if encoded_tokens is None else encoded_tokens,
    }
    for name, count in counts.items():
        whole(count, name, low=0, error=InvalidBudgetError)
    decoder, paper = shape.decoder, convention == "paper"
    cuts: list[tuple[int, float]] = list(stages or ())
    if stages is None and k is not None:
        cuts = [(k, visual_tokens * (1 - r) if paper else kept_tokens(visual_tokens, r))]
    _check_cuts(cuts, decoder.layers, visual_tokens)
    starts, left = [0, *(layer for layer, _ in cuts)], [visual_tokens, *(count for _, count in cuts)]
    counts_of_layers = [end - start for start, end in zip(starts, [*starts[1:], decoder.layers])]
    of_layers = [text_tokens + tokens for count, tokens in zip(counts_of_layers, left) for _ in range(count)]

    kinds = Counter(zip(of_layers, map(decoder.kind_of, range(decoder.layers))))
    parts = {kind: layer_flops(decoder.kinds[kind[1]], kind[0], paper) for kind in kinds}
    entry = 0.0 if paper else decoder.entry_flops(text_tokens + visual_tokens)
    layers = [sum(parts[kind]) for kind in zip(of_layers, map(decoder.kind_of, range(decoder.layers)))]
    layers[0] += entry
    encoded = shape.encoded_tokens(visual_tokens, pictures) if encoded_tokens is None else encoded_tokens
    read = shape.with_fewer_patches(encoded / visual_tokens) if encoded < visual_tokens else shape
    vision, projector, lm_head = (0.0, 0.0, 0.0) if paper else _around(read, encoded, pictures, frames)
    attention = sum(count * parts[kind][0] for kind, count in kinds.items())
    ffn = sum(count * parts[kind][1] for kind, count in kinds.items()) + entry
    decoder_prefill = attention + ffn
    method_flops = 0.0 if paper else float(method_flops)
    prefill = vision + projector + decoder_prefill + lm_head + method_flops

    steps = max(answer_tokens - 1, 0)
    windows = [decoder.window_of(layer) for layer in range(decoder.layers)]
    # Attention is linear in the positions it attends to: the mean step's are the mean ones.
    per_token = lm_head + (0.0 if paper else decoder.entry_flops(1))
    steps_of = Counter(zip(of_layers, windows, map(decoder.kind_of, range(decoder.layers))))
    for (length, window, kind), count in steps_of.items():
        layer, keys = decoder.kinds[kind], mean_keys(length, steps, window)
        per_token += count * (attention_flops(layer, 1, keys, paper) + ffn_flops(layer, 1, paper))
    if stages is None and k is not None:  # a cache holds whole tokens
        of_layers[k:] = [text_tokens + kept_tokens(visual_tokens, r)] * (decoder.layers - k)
    cached = tuple(
        min(round(length) + steps, window - 1 if window else round(length) + steps)
        for length, window in zip(of_layers, windows)
    )
    return Cost(
        convention=convention,
        vision_tower_flops=vision,
        projector_flops=projector,
        layer_flops=tuple(layers),
        attention_flops=attention,
        ffn_flops=ffn,
        decoder_prefill_flops=decoder_prefill,
        lm_head_flops=lm_head,
        prefill_flops=prefill,
        decode_flops_per_token=per_token,
        decode_flops=steps * per_token,
        total_flops=prefill + steps * per_token,
        kv_cache_bytes=kv_cache_bytes(decoder, cached, dtype),
        parameter_bytes=parameter_bytes(shape, dtype),
        method_flops=method_flops,
    )


def check_pruning(k: int | None, r: float, layers: int) -> None:
    """Raise InvalidBudgetError unless some layer is number k (or k is None) and r is a fraction."""
    if k is not None:
        whole(k, "K (one of this model's layers)", low=0, high=layers - 1, error=InvalidBudgetError)
    fraction(r, "R (the fraction of visual tokens to drop)", error=InvalidBudgetError)


def _check_cuts(cuts: Sequence[tuple[int, float]], layers: int, visual_tokens: int) -> None:
    """Raise InvalidBudgetError for cuts that do not ascend, or that leave more tokens than there were."""
    before, left = -1, float(visual_tokens)
    for layer, count in cuts:
        if not before < layer < layers or not 0 <= count <= left:
            raise InvalidBudgetError(
                f"Cuts must ascend within the {layers} layers and leave ever fewer of {visual_tokens} visual tokens, "
                f"not {[(layer, count) for layer, count in cuts]}."
            )
        before, left = layer, count


def _around(shape: ModelShape, visual_tokens: int, pictures: int, frames: int) -> tuple[float, float, float]:
    """``exact`` FLOPs of vision tower, projector and lm_head, the last for one position."""
    tower = shape.vision_tower_flops(visual_tokens, pictures, frames)
    projector = shape.projector_flops(visual_tokens, pictures, frames)
    return tower, projector, 2.0 * shape.decoder.width * shape.decoder.vocabulary
