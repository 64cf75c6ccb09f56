"""Random sequences of legal calls under one ``with``, each against the model that masks what is dropped.

Methods cut once or several times, also with proportional attention and positions without gaps. Several conversations
take turns, and some turns are taken at once in threads: prompts in batches with padding, with and without a cache, by
``generate`` (greedy, beams, lookups, streamed) or by forwards, then more tokens, follow-up questions, and caches that
are cropped, copied and reordered. A failure names its seed, which repeats it.
"""

from __future__ import annotations

import copy
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from fastv import METHODS
from fastv.pruning.methods.base import Method
from fastv.pruning.transformers_compat import cache_in
from tests.support.cutting_methods import Staged
from tests.support.masked_reference import CACHE, CLOSE, GREEDY, cut_by_masking, cuts_of, model_of
from tests.support.standins import IMAGE_TOKEN, llava_inputs

pytestmark = pytest.mark.slow

SEEDS, CONVERSATIONS, TURNS = range(24), 4, 10
ROWS = [(5, 0, 7), (3, 0, 19), (2, 0, 3, 0, 4), (9,), (4, 0, 12), (6, 0, 0, 5), (2, 0, 25)]
SHORT = GREEDY | {"max_new_tokens": 3}


class Stream:
    """What a streamer needs to be."""

    def put(self, _):
        pass

    def end(self):
        pass


class Conversation:
    """One prompt and what is done to it. Its turns are drawn beforehand, so that they can be taken twice."""

    def __init__(self, seed: int, method: Method) -> None:
        self.rng = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.method, self.from_start = method, method.schedule(4)[0] == 0
        self.inputs = llava_inputs([self.rng.choice(ROWS) for _ in range(self.rng.choice([1, 1, 2, 3]))], seed=seed)
        self.turns = [self._first(), *(self._later() for _ in range(TURNS - 1))]
        self.cuts: list = []
        self.begin()

    def begin(self) -> None:
        """Forget all that was done."""
        self.cache, self.ids, self.mask = None, self.inputs["input_ids"], self.inputs["attention_mask"]
        self.prompt_length = self.ids.shape[1]
        self.rows = list(range(len(self.ids)))  # of the prompt, as the cache holds them

    def words(self, count: int, rows: int = 4) -> torch.Tensor:
        return torch.randint(3, IMAGE_TOKEN, (rows, count), generator=self.generator)

    def _first(self) -> tuple:
        alone = len(self.inputs["input_ids"]) == 1
        ways = [
            "forward",
            "forward",
            "forward",
            "generate",
            "generate",
            "uncached",
            "uncached forward",
            "beams",
            "beams uncached",
        ]
        return self.rng.choice([*ways, *(["lookup", "stream"] if alone else [])]), None

    def _later(self) -> tuple:
        kind = self.rng.choice(["feed", "feed", "feed", "ask", "ask", "crop", "copy", "reorder", "select", "repeat"])
        return kind, self.words(self.rng.choice([1, 1, 2, 4])), self.rng.random()

    def read(self, model) -> None:
        """Only the prompt, for the trace."""
        with torch.no_grad():
            model(**self.inputs, use_cache=False)

    def take(self, model, turn: int, masked: bool = False) -> list[torch.Tensor]:
        """The logits of one turn; masked: whether ``cuts`` are masked here, rather than pruned by a ``with``."""
        kind, words, *more = self.turns[turn] + ((None,) if turn == 0 else ())
        if turn and self.cache is None:
            return []
        beams = 2 if kind.startswith("beams") else 1
        if not masked:
            return self._take(model, kind, words, more[0], masked)
        rows = [row for row in self.rows for _ in range(beams)]
        options = {"proportional": self.method.proportional, "close": self.method.positions == "close"}
        with cut_by_masking(model, self.cuts, rows, **options):
            return self._take(model, kind, words, more[0], masked)

    def _take(self, model, kind: str, words, chance: float | None, masked: bool) -> list[torch.Tensor]:
        if kind in ("forward", "uncached forward"):
            with torch.no_grad():
                output = model(**self.inputs, use_cache=kind == "forward", logits_to_keep=1)
            self.cache = cache_in(output)
            return [output.logits]
        if chance is None:
            return self._generate(model, kind, masked)
        if kind == "ask":
            return self._ask(model, words)
        if kind == "feed":
            return self._feed(model, words)
        if kind == "copy":
            self.cache = copy.deepcopy(self.cache)
        elif kind == "crop":
            count = int(chance * (self.ids.shape[1] - self.prompt_length + 1))
            if count:
                self.cache.crop(-count)
                self.ids, self.mask = self.ids[:, :-count], self.mask[:, :-count]
        else:
            self._reorder(kind, chance)
        return []

    def _generate(self, model, kind: str, masked: bool) -> list[torch.Tensor]:
        options = SHORT | {"use_cache": "uncached" not in kind}
        if kind.startswith("beams"):
            options["num_beams"] = 2
        if kind == "lookup" and not masked:
            options["prompt_lookup_num_tokens"] = 2
        if kind == "stream":
            options["streamer"] = Stream()
        output = model.generate(**self.inputs, **options)
        if kind in ("generate", "stream"):
            self._advance(output.sequences, cache_in(output))
        return [output.sequences.float()] if kind == "lookup" else [output.sequences.float(), *output.logits]

    def _advance(self, sequences: torch.Tensor, cache) -> None:
        """All but the last token of an answer have been read."""
        self.cache, self.ids = cache, sequences[:, :-1]
        new = self.ids.shape[1] - self.mask.shape[1]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), new)], dim=1)

    def _ask(self, model, words: torch.Tensor) -> list[torch.Tensor]:
        new = words[: len(self.ids)]
        whole = torch.cat([self.ids, new], dim=1)
        mask = torch.cat([self.mask, torch.ones_like(new)], dim=1)
        given = new if self.from_start else whole  # then the cache does not tell how much has been read
        output = model.generate(input_ids=given, attention_mask=mask, **{CACHE: self.cache}, **SHORT)
        answer = output.sequences[:, given.shape[1] :]
        self.mask = mask
        self._advance(torch.cat([whole, answer], dim=1), cache_in(output))
        return [answer.float(), *output.logits]

    def _feed(self, model, words: torch.Tensor) -> list[torch.Tensor]:
        new = words[: len(self.ids)]
        self.ids = torch.cat([self.ids, new], dim=1)
        self.mask = torch.cat([self.mask, torch.ones_like(new)], dim=1)
        mask = {} if self.mask.all() and new.shape[1] == 1 else {"attention_mask": self.mask}
        with torch.no_grad():
            return [model(input_ids=new, **mask, **{CACHE: self.cache}).logits]

    def _reorder(self, kind: str, chance: float) -> None:
        count = len(self.rows)
        if kind == "repeat":
            if count > 2:
                return
            numbers = [number for number in range(count) for _ in range(2)]
            self.cache.batch_repeat_interleave(2)
        elif kind == "select":
            numbers = [int(chance * count)]
            self.cache.batch_select_indices(torch.tensor(numbers))
        else:
            numbers = random.Random(chance).choices(range(count), k=count)
            self.cache.reorder_cache(torch.tensor(numbers))
        self.rows = [self.rows[number] for number in numbers]
        self.ids, self.mask = self.ids[numbers], self.mask[numbers]


def method_of(rng: random.Random) -> Method:
    amount = rng.choice([{"r": 0.5}, {"r": 0.9}, {"r": 1.0}, {"keep": 3}, {"keep_ratio": 0.25}, {"r": 0.0}])
    amount |= {"proportional": rng.random() < 0.3, "positions": rng.choice(["keep", "keep", "close"])}
    if rng.random() < 0.5:
        return Staged(layers=rng.choice([(0, 2), (1, 3), (0, 1, 3), (2, 3)]), seed=rng.randrange(9), **amount)
    # Greedy choices are left out: where two tokens are all but equal they depend on how a batch is summed up.
    method = METHODS[rng.choice(["fastv", "fastv_mean", "fastv_norope", "question_tokens", "random", "grid"])]
    return method(k=rng.choice([0, 1, 2, 3]), seed=rng.randrange(9), **amount)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_turns_equal_the_masked_models(seed):
    rng = random.Random(seed)
    method = method_of(rng)
    model = model_of(rng.choice(["sdpa", "eager"]), kv_heads=rng.choice([4, 2]))
    conversations = [Conversation(100 * seed + number, method) for number in range(CONVERSATIONS)]
    for one in conversations:
        with method(model) as trace:
            one.read(model)
        one.cuts = cuts_of(trace, one.inputs["input_ids"])

    found: dict[tuple[int, int], list[torch.Tensor]] = {}
    left = dict.fromkeys(range(CONVERSATIONS), 0)
    with method(model), ThreadPoolExecutor(2) as pool:
        while left:
            chosen = rng.sample(sorted(left), min(len(left), rng.choice([1, 1, 2])))
            turns = [(number, left[number]) for number in chosen]
            if len(turns) == 1 and rng.random() < 0.5:
                results = [conversations[chosen[0]].take(model, turns[0][1])]
            else:
                results = list(pool.map(lambda one: conversations[one[0]].take(model, one[1]), turns))
            found |= zip(turns, results)
            for number in chosen:
                left[number] += 1
                if left[number] == TURNS:
                    del left[number]

    for number, one in enumerate(conversations):
        one.begin()
        for turn in range(TURNS):
            expected = one.take(model, turn, masked=True)
            where = f"seed {seed}, {method}, conversation {number}, turn {turn}: {one.turns[turn][0]}"
            assert len(found[number, turn]) == len(expected), where
            for ours, theirs in zip(found[number, turn], expected):
                assert torch.allclose(ours, theirs, **CLOSE), where


def test_the_reference_tells_wrong_selections_apart():
    """The comparison above would fail if another selection were used."""
    method = METHODS["fastv"](k=2, r=0.5)
    model, one = model_of(), Conversation(3, method)
    one.inputs = llava_inputs([(5, 0, 7)])
    one.turns[0] = ("forward", None)
    one.begin()
    with method(model):
        ours = one.take(model, 0)
    with replace(method, k=1)(model) as trace:
        one.read(model)
    one.cuts = cuts_of(trace, one.inputs["input_ids"])
    one.begin()
    assert not torch.allclose(ours[0], one.take(model, 0, masked=True)[0], **CLOSE)
