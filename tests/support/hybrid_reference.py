"""Qwen3.5 written apart from transformers and from the engine: no hooks, no cache, no padding, no masks.

One prompt is computed alone, token after token where a layer keeps a state, over a list of tokens that becomes shorter
where some are dropped. States are (tokens, width); weights are read off the model's modules. Slow, and simple.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import silu, softplus


def norm(states, module):
    return states * (states.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * (1 + module.weight)


def linear_attention(layer, states):
    """A state for each value head, written and read token by token; several value heads share a key head."""
    keys, values, wide, deep = layer.num_k_heads, layer.num_v_heads, layer.head_k_dim, layer.head_v_dim
    mixed, taps = layer.in_proj_qkv(states), layer.conv1d.weight[:, 0].T  # (kernel, channels)
    before = torch.cat([torch.zeros(len(taps) - 1, mixed.shape[1]), mixed])
    mixed = torch.stack([silu((before[t : t + len(taps)] * taps).sum(0)) for t in range(len(states))])
    query, key, value = mixed.split([keys * wide, keys * wide, values * deep], dim=1)
    decay = torch.exp(-layer.A_log.exp() * softplus(layer.in_proj_a(states) + layer.dt_bias))
    rate, gate = layer.in_proj_b(states).sigmoid(), layer.in_proj_z(states)
    query, key = (
        (part / (part.square().sum(-1, keepdim=True) + 1e-6).sqrt()).repeat_interleave(values // keys, 1)
        for part in (query.view(-1, keys, wide), key.view(-1, keys, wide))
    )
    value, memory, out = value.view(-1, values, deep), torch.zeros(values, wide, deep), []
    for q, k, v, forget, write in zip(query, key, value, decay, rate):
        memory = memory * forget[:, None, None]
        missing = v - torch.einsum("hk,hkv->hv", k, memory)
        memory = memory + torch.einsum("h,hk,hv->hkv", write, k, missing)
        out.append(torch.einsum("hk,hkv->hv", q, memory) / math.sqrt(wide))
    out = torch.stack(out)
    out = out * (out.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * layer.norm.weight
    return layer.out_proj((out * silu(gate.view(out.shape))).flatten(1))


def rotated(heads, positions, config):
    """heads (tokens, heads, width); the first half of each is turned, by time, row or column of the token in turn."""
    turned, sections = config.head_dim // 2, config.rope_parameters["mrope_section"]
    result = heads.clone()
    for pair in range(turned // 2):
        kind = pair % 3 if pair < 3 * sections[pair % 3] else 0
        angle = positions[kind] * config.rope_parameters["rope_theta"] ** (-2 * pair / turned)
        sin, cos = angle.sin()[:, None], angle.cos()[:, None]
        first, second = heads[..., pair], heads[..., pair + turned // 2]
        result[..., pair], result[..., pair + turned // 2] = first * cos - second * sin, second * cos + first * sin
    return result


def attention(layer, states, positions, logs):
    """What it adds, and the weights (heads, tokens, tokens); logs (tokens,) are added to their logits."""
    width, count = layer.head_dim, len(states)
    query, gate = layer.q_proj(states).view(count, -1, 2, width).unbind(2)
    query = rotated(norm(query, layer.q_norm), positions, layer.config)
    key = rotated(norm(layer.k_proj(states).view(count, -1, width), layer.k_norm), positions, layer.config)
    value = layer.v_proj(states).view(count, -1, width)
    share = query.shape[1] // key.shape[1]
    later = torch.ones(count, count, dtype=torch.bool).triu(1)
    weights, out = [], []
    for head in range(query.shape[1]):
        logits = query[:, head] @ key[:, head // share].T / math.sqrt(width) + logs
        weights.append(logits.masked_fill(later, -torch.inf).softmax(-1))
        out.append(weights[-1] @ value[:, head // share])
    return layer.o_proj((torch.stack(out, 1) * gate.sigmoid()).flatten(1)), torch.stack(weights)


def ffn(module, states):
    return module.down_proj(silu(module.gate_proj(states)) * module.up_proj(states))


def experts(block, states):
    result = block.shared_expert_gate(states).sigmoid() * ffn(block.shared_expert, states)
    shares = (states @ block.gate.weight.T).softmax(-1)
    for token, row in enumerate(shares):
        best = row.topk(block.gate.top_k)
        for share, number in zip(best.values / best.values.sum(), best.indices.tolist()):
            gate, up = (block.experts.gate_up_proj[number] @ states[token]).chunk(2)
            result[token] += share * (block.experts.down_proj[number] @ (silu(gate) * up))
    return result


@torch.no_grad()
def reference(model, inputs, answer, cuts, prompt_length, weighed=((), 0.0)):
    """Logits after the prompt and each of the answer's tokens but the last; and the last attention weights that the
    prompt's last token gave before each cut.

    inputs: of one prompt, without padding; cuts: layer -> prompt positions that are dropped on entering it; weighed:
    prompt positions, and what is added to their logits from the first cut on.
    """
    states, positions = entering(model, inputs, answer)
    decoder, left, seen, looked = model.model.language_model, torch.arange(len(states)), None, {}
    for number, layer in enumerate(decoder.layers):
        if number in cuts:
            looked[number] = seen
            stays = ~torch.isin(left, cuts[number])
            states, positions, left = states[stays], positions[:, stays], left[stays]
        given = norm(states, layer.input_layernorm)
        if decoder.config.layer_types[number] == "linear_attention":
            states = states + linear_attention(layer.linear_attn, given)
        else:
            logs = weighed[1] * torch.isin(left, torch.as_tensor(weighed[0])) if looked else 0.0
            added, weights = attention(layer.self_attn, given, positions, logs)
            states, seen = states + added, weights[:, left == prompt_length - 1].mean(dim=(0, 1))
        given = norm(states, layer.post_attention_layernorm)
        states = states + (experts if hasattr(layer.mlp, "experts") else ffn)(layer.mlp, given)
    return model.lm_head(norm(states[-len(answer) :], decoder.norm)), looked


def entering(model, inputs, answer):
    """Embeddings (tokens, width) and positions (3, tokens) of a prompt and all but the last of its answer's tokens."""
    found = {}
    handle = model.model.language_model.register_forward_pre_hook(
        lambda _module, _args, kwargs: found.update(kwargs), with_kwargs=True
    )
    try:
        model.model(**followed(inputs, answer[None, :-1]), use_cache=False)
    finally:
        handle.remove()
    return found["inputs_embeds"][0], found["position_ids"][-3:, 0].float()


def followed(inputs, tokens):
    """The inputs with more text tokens, (batch, n), behind the prompt."""
    more = torch.ones_like(tokens)
    return inputs | {
        "input_ids": torch.cat([inputs["input_ids"], tokens], 1),
        "attention_mask": torch.cat([inputs["attention_mask"], more], 1),
        "mm_token_type_ids": torch.cat([inputs["mm_token_type_ids"], 0 * more.int()], 1),
    }
