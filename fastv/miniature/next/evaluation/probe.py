"""Answers of a whole question set under many prunings, on any device, by teacher forcing: fast enough to explore with.

An answer is right if each of its tokens is the likeliest given those before it, which is what greedy decoding by
``generate`` would give. Pruning is done anew here, without the engine, so that both check each other; records that are
shipped come from the engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu, linear, rms_norm, scaled_dot_product_attention, silu
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from fastv.miniature.next.evaluation.dataset import Item
from fastv.miniature.next.evaluation.lattice import lattice_scores
from fastv.miniature.next.model.architecture import FEATURE_LAYER
from fastv.miniature.next.model.tokenizer import IMAGE, OPENING, Encoder, block
from fastv.miniature.next.training.fast_forward import rotary_table, rotated, tower_layer, tower_states
from fastv.miniature.next.world.rendering import normalised, parameters, render
from fastv.miniature.next.world.scenes import GRID

VISUAL = GRID * GRID


@dataclass(frozen=True)
class Pruning:
    """Which visual tokens are left on entering layer ``k``.

    ranking: "last" (FastV: attention of the last prompt token in layer k - 1, mean over heads), "max" (maximum over
    heads), "question" (mean over the tokens after the picture), "random", "lattice" (evenly spaced), or "most" (a given
    mask first). proportional: each kept visual token's logits gain the logarithm of how many tokens it stands for.
    """

    k: int
    r: float
    ranking: str = "last"
    proportional: bool = False
    seed: int = 0

    @property
    def keep(self) -> int:
        return round(VISUAL * (1 - self.r))


@dataclass(frozen=True)
class Answers:
    """Of each item: whether the whole answer is right, and the mean negative log-likelihood of its tokens."""

    right: Tensor
    loss: Tensor


class Prober:
    """A model and a question set, pictures already passed through the tower (which no pruning changes)."""

    def __init__(
        self,
        model: LlavaForConditionalGeneration,
        tokenizer: PreTrainedTokenizerFast,
        items: Sequence[Item],
        *,
        batch: int = 128,
        features: Tensor | None = None,
    ):
        self.model, self.tokenizer, self.items, self.batch = model, tokenizer, items, batch
        self.device = model.lm_head.weight.device
        self.config: Any = model.config.text_config
        opening = tokenizer(OPENING).input_ids
        self.start = opening.index(tokenizer.convert_tokens_to_ids(IMAGE))
        self.opening = torch.tensor(opening[: self.start], device=self.device)
        self.encode = Encoder(tokenizer)
        self.prompts = [self.encode(block(item.question.text)) for item in items]
        self.answers = [[*self.encode(f" {item.question.answer}"), tokenizer.eos_token_id] for item in items]
        # by length, so that little is padded
        self.order = sorted(range(len(items)), key=lambda index: len(self.prompts[index]) + len(self.answers[index]))
        self.owners: Tensor | None = (
            None  # int8 (items, 576): which thing covers a patch, where pictures were drawn here
        )
        if features is None:
            features, self.owners = self._see()
        self.features = features

    @torch.inference_mode()
    def _see(self) -> tuple[Tensor, Tensor]:
        """float16 (items, 576, width) features, int8 (items, 576) owners."""
        features: list[Tensor] = []
        owners: list[Tensor] = []
        for start in range(0, len(self.items), self.batch):
            scenes = [item.scene for item in self.items[start : start + self.batch]]
            pictures, owner = render(parameters(scenes).to(self.device))
            states = tower_states(self.model.model.vision_tower, normalised(pictures), tower_layer)
            features.append(states[FEATURE_LAYER][:, 1:].float())
            owners.append(owner.to(torch.int8))
        return torch.cat(features), torch.cat(owners)

    @torch.inference_mode()
    def run(self, pruning: Pruning | None = None) -> Answers:
        """Every item's answer, teacher-forced."""
        right = torch.zeros(len(self.items), dtype=torch.bool)
        loss = torch.zeros(len(self.items))
        for chosen in self._batches():
            logits, target, owner, _ = self._forward(chosen, [self.answers[index] for index in chosen], pruning)
            wrong = (logits.argmax(-1) != target).float()
            sums = torch.zeros(2, len(chosen), device=self.device)
            sums[0].scatter_add_(0, owner, wrong)
            sums[1].scatter_add_(0, owner, torch.nn.functional.cross_entropy(logits, target, reduction="none"))
            sums = sums.cpu()
            right[chosen] = sums[0] == 0
            loss[chosen] = sums[1] / torch.tensor([float(len(self.answers[index])) for index in chosen])
        return Answers(right, loss)

    @torch.inference_mode()
    def generate(self, indices: Sequence[int], pruning: Pruning | None = None, most: int = 24) -> list[str]:
        """Greedy answers to the items of ``indices``, without a cache: for the few whose text matters."""
        texts: list[str] = []
        for start in range(0, len(indices), self.batch):
            chosen = list(indices[start : start + self.batch])
            said: list[list[int]] = [[] for _ in chosen]
            for _ in range(most):
                logits, _, owner, _ = self._forward(chosen, [[*words, 0] for words in said], pruning)
                last = torch.ones(len(owner), dtype=torch.bool, device=owner.device)
                last[:-1] = owner[1:] != owner[:-1]
                for words, token in zip(said, logits[last].argmax(-1).tolist(), strict=True):
                    words.append(token)
                if all(self.tokenizer.eos_token_id in words for words in said):
                    break
            texts += [str(self.tokenizer.decode(_until(words, self.tokenizer.eos_token_id))).strip() for words in said]
        return texts

    @torch.inference_mode()
    def kept(self, pruning: Pruning) -> Tensor:
        """bool (items, 576): the visual tokens that are left."""
        masks = torch.zeros(len(self.items), VISUAL, dtype=torch.bool)
        for chosen in self._batches():
            kept = self._forward(chosen, [self.answers[index][:1] for index in chosen], pruning)[3]
            assert kept is not None
            masks[chosen] = torch.zeros(len(chosen), VISUAL).bool().scatter(1, kept.cpu(), True)
        return masks

    @torch.inference_mode()
    def shares(self, most: int = 512) -> list[tuple[float, float, float]]:
        """For each layer, the last prompt token's attention to system prompt, picture and question (means; sums to
        1).
        """
        chosen = self.order[:: max(1, len(self.order) // most)][: self.batch]
        sums = []
        for attention in self._attentions(chosen):
            image = attention[:, self.start : self.start + VISUAL].sum(1)
            system = attention[:, : self.start].sum(1)
            sums.append((float(system.mean()), float(image.mean()), float((1 - system - image).mean())))
        return sums

    def _batches(self) -> Iterator[list[int]]:
        for start in range(0, len(self.order), self.batch):
            yield self.order[start : start + self.batch]

    def _inputs(self, chosen: list[int], answers: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Embedded sequences, int64 prompt lengths, and token ids of questions with answers, padded on the right."""
        language, projector = self.model.model.language_model, self.model.model.multi_modal_projector
        texts = [[*self.prompts[index], *answer] for index, answer in zip(chosen, answers, strict=True)]
        longest = max(map(len, texts))
        ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts], device=self.device)
        seen = self.features[torch.tensor(chosen, device=self.device)].float()
        projected = projector.linear_2(gelu(projector.linear_1(seen)))
        words = language.embed_tokens.weight
        opening = embedding(self.opening, words).expand(len(chosen), -1, -1)
        hidden = torch.cat([opening, projected, embedding(ids, words)], 1)
        lengths = torch.tensor([len(self.prompts[index]) for index in chosen], device=self.device)
        return hidden, self.start + VISUAL + lengths, ids

    def _forward(
        self, chosen: list[int], answers: Sequence[Sequence[int]], pruning: Pruning | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Logits (m, vocabulary) that predict the m answer tokens, the tokens, whose they are, and the kept (batch,
        keep).
        """
        language = self.model.model.language_model
        hidden, ends, _ = self._inputs(chosen, answers)
        batch, length, _ = hidden.shape
        config = language.config
        positions = torch.arange(length, device=self.device).expand(batch, -1)
        theta = config.rope_parameters["rope_theta"]
        rotary = rotary_table(positions, config.head_dim, theta, hidden.dtype)
        mask, kept, before = None, None, hidden
        for number, layer in enumerate(language.layers):
            if pruning and number == pruning.k:
                kept = self._choose(pruning, chosen, before, rotary, ends, number)
                index = torch.cat(
                    [
                        positions[:, : self.start],
                        self.start + kept,
                        positions[:, self.start + VISUAL :],
                    ],
                    1,
                )
                hidden = hidden.gather(1, index[..., None].expand(-1, -1, hidden.shape[-1]))
                rotary = rotary_table(index, config.head_dim, theta, hidden.dtype)
                if pruning.proportional and pruning.keep:
                    mask = self._proportional(pruning.keep, hidden)
            before = hidden
            hidden = self._layer(layer, hidden, rotary, mask)
        hidden = rms_norm(hidden, (hidden.shape[-1],), language.norm.weight, config.rms_norm_eps)
        dropped = length - hidden.shape[1]
        rows: list[int] = []
        columns: list[int] = []
        tokens: list[int] = []
        for row, (end, answer) in enumerate(zip(ends.tolist(), answers, strict=True)):
            rows += [row] * len(answer)
            columns += range(end - 1 - dropped, end - 1 - dropped + len(answer))
            tokens += answer
        owner, column, target = (torch.tensor(values, device=self.device) for values in (rows, columns, tokens))
        return linear(hidden[owner, column], self.model.lm_head.weight), target, owner, kept

    def _heads(self, layer, hidden: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        attention, config = layer.self_attn, self.config
        normed = rms_norm(hidden, (hidden.shape[-1],), layer.input_layernorm.weight, config.rms_norm_eps)
        query, key, value = (
            linear(normed, part.weight).unflatten(-1, (-1, config.head_dim)).transpose(1, 2)
            for part in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        return rotated(query, *rotary), rotated(key, *rotary), value

    def _layer(self, layer, hidden: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        query, key, value = self._heads(layer, hidden, rotary)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        hidden = hidden + linear(attended.transpose(1, 2).flatten(2), layer.self_attn.o_proj.weight)
        norm, mlp = layer.post_attention_layernorm, layer.mlp
        normed = rms_norm(hidden, (hidden.shape[-1],), norm.weight, self.config.rms_norm_eps)
        return hidden + linear(
            silu(linear(normed, mlp.gate_proj.weight)) * linear(normed, mlp.up_proj.weight), mlp.down_proj.weight
        )

    def _proportional(self, keep: int, hidden: Tensor) -> Tensor:
        length = hidden.shape[1]
        mask = torch.full((length, length), -math.inf, device=self.device).triu(1)
        mask[:, self.start : self.start + keep] += math.log(VISUAL / keep)
        return mask

    def _choose(
        self,
        pruning: Pruning,
        chosen: list[int],
        before: Tensor,
        rotary: tuple[Tensor, Tensor],
        ends: Tensor,
        number: int,
    ) -> Tensor:
        """int64 (batch, keep), ascending."""
        if pruning.ranking == "random" or number == 0:
            scores = torch.stack(
                [torch.rand(VISUAL, generator=torch.Generator().manual_seed(97 * i + pruning.seed)) for i in chosen]
            ).to(self.device)
        elif pruning.ranking == "lattice":
            scores = lattice_scores().to(self.device).expand(len(chosen), -1)
        else:
            layer = self.model.model.language_model.layers[number - 1]
            scores = self._scores(layer, before, rotary, ends, pruning.ranking)
        return scores.topk(pruning.keep).indices.sort().values

    def _scores(self, layer, before: Tensor, rotary: tuple[Tensor, Tensor], ends: Tensor, ranking: str) -> Tensor:
        """float32 (batch, 576) from the attention of ``layer``, whose input is ``before``."""
        query, key, _ = self._heads(layer, before, rotary)
        text = self.start + VISUAL
        places = torch.arange(before.shape[1], device=self.device)
        rows = places[text:].expand(len(before), -1) if ranking == "question" else ends[:, None] - 1
        query = query.gather(2, rows[:, None, :, None].expand(-1, query.shape[1], -1, query.shape[-1]))
        logits = query @ key.transpose(2, 3) / math.sqrt(key.shape[-1])
        logits = logits.masked_fill(places > rows[:, None, :, None], -math.inf)
        attention = logits.softmax(-1)[..., self.start : text]  # (batch, heads, rows, 576)
        if ranking == "max":
            return attention.amax(1)[:, 0]
        asked = (rows < ends[:, None]).float()
        return (attention.mean(1) * asked[..., None]).sum(1) / asked.sum(1, keepdim=True)

    def _attentions(self, chosen: list[int]) -> Iterator[Tensor]:
        """For each layer the last prompt token's attention to all tokens, mean over heads, (batch, n)."""
        language = self.model.model.language_model
        hidden, ends, _ = self._inputs(chosen, [[] for _ in chosen])
        places = torch.arange(hidden.shape[1], device=self.device)
        config = language.config
        rotary = rotary_table(
            places.expand(len(hidden), -1), config.head_dim, config.rope_parameters["rope_theta"], hidden.dtype
        )
        for layer in language.layers:
            query, key, _ = self._heads(layer, hidden, rotary)
            rows = (ends - 1)[:, None, None, None].expand(-1, query.shape[1], 1, query.shape[-1])
            logits = query.gather(2, rows) @ key.transpose(2, 3) / math.sqrt(key.shape[-1])
            logits = logits.masked_fill(places >= ends[:, None, None, None], -math.inf)
            yield logits.softmax(-1).mean(1)[:, 0]
            hidden = self._layer(layer, hidden, rotary, None)


def _until(words: list[int], end: int) -> list[int]:
    return words[: words.index(end)] if end in words else words
