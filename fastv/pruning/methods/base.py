"""What every pruning method has in common: its description, its amount, and the two steps it may redefine.

A method answers four separate questions, and the engine does the rest:

- *Where does it cut?* ``schedule``: on entering decoder layer ``k``, or several layers one after the other.
- *How much?* ``kept_at`` each cut; the amount that a method is given is what is left after the last one.
- *What does it look at?* ``reads_at`` each cut: names of signals, which the engine collects and hands over as
  ``Signals``.
- *Which tokens stay?* ``score`` gives every visual token a number, and the highest stay; a method that does not choose
  by numbers, such as one that picks tokens greedily, redefines ``select``.

No module of this package imports torch when it is imported, so that command lines, cost tables and pages can list the
methods; what needs tensors is imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fastv.costs.flops import kept_tokens
from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.signals import OF_THE_LAYER_BEFORE, TOWER
from fastv.validation import fraction, one_of, whole

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fastv.families.base import Family
    from fastv.families.shapes import DecoderShape, VisionShape
    from fastv.families.visual_groups import VisualGroup
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals
    from fastv.pruning.trace import Trace


class _Default(float):
    """A default value that can be told from the same value given by the caller."""


_HALF = _Default(0.5)


class _OwnK(int):
    """Stands for the ``default_k`` of a method."""


_OWN_K = _OwnK(2)


@dataclass(frozen=True)
class Method:
    """One way to choose the visual tokens that stay. Used as a context manager on a model::

        with METHODS["fastv"](k=2, keep=64)(model) as trace:
            output = model.generate(**inputs)

    The amount is given once, as ``r``, ``keep_ratio`` or ``keep``; without any of them half of the tokens are dropped.
    Where tokens are dropped several times it is what is left after the last.

    Parameters
    ----------
    k : int, optional
        The decoder layer, counted from 0, on entering which tokens are dropped; ``default_k`` where it is not given.
        Methods that cut elsewhere (``takes_k`` is False) have that whatever is given.
    r : float, optional
        The fraction of the visual tokens to drop, 0 to 1: ``round(n * (1 - r))`` of n are kept.
    seed : int
        For what is drawn at random; 64 bits.
    keep_ratio : float, optional
        The fraction to keep, 0 to 1: ``round(n * keep_ratio)`` of n are kept.
    keep : int, optional
        How many to keep; a prompt with fewer keeps all it has.
    per : "prompt" or "image", optional
        Whether the amount holds for all visual tokens of a prompt together, or for those of each picture and video.
    positions : "keep" or "close", optional
        Whether what is left stays at its positions, as in FastV's code, or is numbered anew without gaps from the cut's
        layer on. Models whose positions have several dimensions refuse the latter.
    proportional : bool, optional
        Whether kept visual tokens stand for the dropped ones: log(original count / kept count) is added to their
        attention logits in the layers after the cut. Flash attention refuses it.

    Raises
    ------
    InvalidBudgetError
        For values out of range, and for an amount given twice.
    """

    #: As in ``METHODS``, requests and records.
    name: ClassVar[str]
    #: For choices and headings.
    label: ClassVar[str]
    #: How it chooses, as it continues "64 of 128 tokens were kept".
    phrase: ClassVar[str]
    #: Where it was published; empty for what needs no source.
    paper: ClassVar[str]
    #: Which of ``SIGNALS`` it reads.
    signals: ClassVar[tuple[str, ...]]
    #: Where it drops tokens.
    cuts: ClassVar[str]
    #: What it cannot do.
    limits: ClassVar[str]
    #: Whether the vision tower itself makes no more tokens than are kept.
    encodes_kept_alone: ClassVar[bool] = False
    #: Whether it goes by the rows and columns at which visual tokens stand in a picture.
    needs_places: ClassVar[bool] = False
    #: Whether it serves videos alone.
    videos_alone: ClassVar[bool] = False
    #: Whether ``k`` is a choice.
    takes_k: ClassVar[bool] = True
    #: The ``k`` of a method that is made without one, and of one for which it is no choice.
    default_k: ClassVar[int] = 2

    k: int = _OWN_K
    r: float | None = _HALF
    seed: int = 0
    keep_ratio: float | None = field(default=None, kw_only=True)
    keep: int | None = field(default=None, kw_only=True)
    per: Literal["prompt", "image"] = field(default="prompt", kw_only=True)
    positions: Literal["keep", "close"] = field(default="keep", kw_only=True)
    proportional: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        amounts = {"r": None if isinstance(self.r, _Default) else self.r, "keep_ratio": self.keep_ratio}
        given = [name for name, value in (amounts | {"keep": self.keep}).items() if value is not None]
        if len(given) > 1 or (not given and self.r is None):
            told = " and ".join(given) or "none"
            raise InvalidBudgetError(f"Give exactly one of r, keep_ratio and keep, not {told}.")
        checked: dict[str, Any] = dict.fromkeys(("r", "keep_ratio", "keep"))
        if "keep" in given:
            checked["keep"] = whole(self.keep, "keep", low=0, error=InvalidBudgetError)
        elif "keep_ratio" in given:
            checked["keep_ratio"] = fraction(self.keep_ratio, "keep_ratio", error=InvalidBudgetError)
        else:
            checked["r"] = fraction(self.r, "r", error=InvalidBudgetError)
        k = self.default_k if isinstance(self.k, _OwnK) or not self.takes_k else self.k
        checked["k"] = whole(k, "k", low=0, error=InvalidBudgetError)
        checked["positions"] = one_of(self.positions, "positions", ("keep", "close"), error=InvalidBudgetError)
        checked["proportional"] = one_of(self.proportional, "proportional", (True, False), error=InvalidBudgetError)
        checked["per"] = one_of(self.per, "per", ("prompt", "image"), error=InvalidBudgetError)
        checked["seed"] = whole(self.seed, "seed", low=-(2**63), high=2**63 - 1, error=InvalidBudgetError)
        for attribute, value in checked.items():
            object.__setattr__(self, attribute, value)

    def __call__(self, model: nn.Module) -> AbstractContextManager[Trace]:
        """Prune ``model`` while the context is open; see ``fastv.pruning.pruner.pruned``."""
        from fastv.pruning.pruner import pruned

        return pruned(model, self)

    @property
    def reads(self) -> tuple[str, ...]:
        """The signals needed with these settings at the first cut, where that is on entering layer ``k``."""
        return self.reads_at(0, self.k)

    def schedule(self, depth: int) -> tuple[int, ...]:
        """The layers on entering which tokens are dropped, ascending, in a decoder of ``depth`` layers."""
        return (self.k,)

    def kept_at(self, cut: int, count: int, cuts: int) -> int:
        """How many visual tokens are left after one of the cuts.

        Parameters
        ----------
        cut : int
            Its number, from 0.
        count : int
            Visual tokens before all cuts.
        cuts : int
            How many cuts there are.

        Returns
        -------
        int
            At most what the cut before left; after the last cut ``kept_of(count)``. By default each cut leaves the same
            fraction of what the one before it left.
        """
        kept = self.kept_of(count)
        if cut == cuts - 1 or not count:
            return kept
        return max(kept, round(count * (kept / count) ** ((cut + 1) / cuts)))

    def kept_of_groups(self, groups: Sequence[VisualGroup]) -> Sequence[int] | None:
        """How many visual tokens of a prompt are left after each cut, where that depends on its pictures' geometry.

        None where ``kept_at`` tells. ``groups``: the prompt's pictures and videos.
        """
        return None

    def outside_decoder(
        self, model: nn.Module, family: Family, prompts: Callable[[], Tensor | None]
    ) -> AbstractContextManager[None]:
        """Entered for the time of a ``with``: what a method changes before the decoder, such as the vision tower.

        Parameters
        ----------
        model, family
            The model that is pruned, and its family.
        prompts
            While pictures are encoded, tells the prompts they belong to: long (batch, n); None outside of prompts.
        """
        return nullcontext()

    def reads_at(self, cut: int, layer: int) -> tuple[str, ...]:
        """The signals needed at a cut on entering ``layer``; those of the layer before do not exist for layer 0."""
        return tuple(signal for signal in self.signals if layer > 0 or signal not in OF_THE_LAYER_BEFORE)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """FLOPs of choosing the tokens of one prompt, beside those of the model; 0 where they are not worth counting.

        Parameters
        ----------
        decoder : DecoderShape
            Sizes of the decoder.
        text, visual : int
            Text and visual tokens of the prompt.
        """
        return 0.0

    def tower_flops(self, vision: VisionShape, visual: int, pictures: int, frames: int) -> float:
        """FLOPs of what it looks at in the vision tower, beside those of the tower.

        Parameters
        ----------
        vision : VisionShape
            Sizes of the tower.
        visual, pictures, frames : int
            Visual tokens of the prompt, its pictures, and the frames of its videos.
        """
        return vision.observed_flops(visual, pictures, frames) if TOWER in self.signals else 0.0

    def kept_of(self, count: int) -> int:
        """How many of ``count`` visual tokens stay."""
        if self.keep is not None:
            return min(self.keep, count)
        if self.keep_ratio is not None:
            return round(count * self.keep_ratio)
        return kept_tokens(count, self.r if self.r is not None else 0.0)

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        """Rank the visual tokens of a prompt.

        Parameters
        ----------
        prompt : PromptTokens
            ``positions``: long (batch, n_visual), -1 at the end of rows that have fewer.
        signals : Signals
            Holds what ``reads`` names.

        Returns
        -------
        Tensor
            float32 (batch, n_visual): the higher, the sooner kept. Values at positions of -1 do not matter.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither score nor select.")

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        """Choose the visual tokens that stay, by default those that ``score`` ranks highest, where ``per`` is "image"
        in each picture and video.

        Returns
        -------
        Choice
            ``prompt.keep`` tokens of each row.
        """
        from fastv.pruning.scorers import highest, highest_per_image

        scores = self.score(prompt, signals).masked_fill(prompt.positions < 0, float("-inf"))
        if prompt.keep_per_image is not None:
            return Choice(highest_per_image(scores, prompt.images, prompt.keep_per_image), scores)
        return Choice(highest(scores, prompt.keep), scores)
