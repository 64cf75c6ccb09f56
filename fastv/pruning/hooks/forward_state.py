"""What is known of one forward of a model that is being pruned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from fastv.pruning.choice import Choice
from fastv.pruning.hooks.outer_arguments import OuterArguments
from fastv.pruning.hooks.prompt_cuts import Cut, PromptCuts
from fastv.pruning.hooks.pruned_forward import DecoderTraits, PrunedForward
from fastv.pruning.hooks.reused_keys import ProjectedKeys
from fastv.pruning.hooks.tower_reader import Calls, PromptTower
from fastv.pruning.index_selection import Selection
from fastv.pruning.prompt_tokens import PromptTokens


@dataclass
class ForwardState:
    """One forward, in its thread.

    Attributes
    ----------
    outer
        Its arguments that speak of prompt positions.
    cache
        Its key-value cache.
    prompt
        The prompt at its next cut; None where no choice is left to be made.
    read
        Columns of the forward in which choices are made: the prompt, and what was drafted after it.
    cuts
        Those that are made, in this forward or an earlier one.
    stages
        For each of them, what the layers from there on are given; None for the whole sequence.
    decoder_inputs
        Where the layer that the cache is counted by is itself short, what the decoder is given.
    uncached_call
        The ``generate`` that reads the prompt again for each token.
    counts_positions
        Whether the model takes positions from the cache's length.
    padding
        (batch, length), non-zero = no padding, as the model was given it for a sequence that goes on.
    collected
        What was seen for the next cut, by the names of ``signals``.
    tower_calls, tower
        What the vision tower's layer shows, and for which prompt.
    choice
        The next cut's, where it was made before its layer.
    projected_keys
        Those of the layer that is entered, where a method computed them ahead.
    scores
        Those of the first cut.
    kept
        Prompt positions of the visual tokens that each cut left.
    """

    outer: OuterArguments
    cache: Any = None
    prompt: PromptTokens | None = None
    read: int = 0
    cuts: PromptCuts = PromptCuts()
    stages: list[PrunedForward | None] = field(default_factory=list)
    decoder_inputs: PrunedForward | None = None
    uncached_call: int | None = None
    counts_positions: bool = False
    padding: Tensor | None = None
    collected: dict[str, Any] = field(default_factory=dict)
    tower_calls: Calls = field(default_factory=list)
    tower: PromptTower | None = None
    choice: Choice | None = None
    projected_keys: ProjectedKeys | None = None
    scores: Tensor | None = None
    kept: list[Tensor] = field(default_factory=list)

    def add_cut(self, cut: Cut, decoder: DecoderTraits) -> None:
        """One more cut was made, in this forward."""
        self.cuts = PromptCuts((*self.cuts, cut))
        self._add_stage(self.read, self.read, decoder)

    def go_on(self, cuts: PromptCuts, length: int, new: int, decoder: DecoderTraits, real: Tensor | None) -> None:
        """The sequence, cut before, has grown to ``length``; its last ``new`` columns are read in this forward.

        real: (batch, length), non-zero = no padding.
        """
        since = 0
        chosen = cuts.before(decoder.counted_layer)
        if new < length and chosen is not None:
            self.decoder_inputs = PrunedForward(chosen, length, new, decoder)
            if not decoder.window_sizes:
                since, length = 1, chosen.pruned_length + length - chosen.length
        self.cuts = PromptCuts()
        for cut in cuts:
            self.cuts = PromptCuts((*self.cuts, cut))
            self._add_stage(length, new, decoder, since, real)

    def _add_stage(
        self, length: int, new: int, decoder: DecoderTraits, since: int = 0, real: Tensor | None = None
    ) -> None:
        """since: the cuts before this one are made in what the layers are given already."""
        cuts, cut = self.cuts, self.cuts[-1]
        chosen = cuts.selection(since=since)
        if chosen is None and (cuts.log_weights is not None or cuts.shifts is not None):
            first = cuts[0].selection
            assert first is not None
            chosen = Selection.all_of(first.pruned_length, first.index.device)
        stage = None
        if chosen is not None:
            stage = PrunedForward(chosen, length, new, decoder, cut, cuts.log_weights, cuts.shifts, real)
        self.stages.append(stage)

    def stage(self, layer: int) -> PrunedForward | None:
        """What a layer is given, by the cuts made so far; None for the whole sequence."""
        passed = sum(cut.layer <= layer for cut in self.cuts)
        return self.stages[passed - 1] if passed else None

    @property
    def reads_prompt(self) -> bool:
        """Whether something was dropped, and the sequence is read from its start."""
        return any(stage is not None and stage.whole for stage in self.stages)
