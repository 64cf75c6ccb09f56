"""What a family of vision-language models is: all that FastV must know of a model and that others do differently.

A family is one module of this package: a subclass of ``Family`` with its catalogue entries, and one line in
``registry.FAMILIES``. Everything that lists families reads that registry; the method itself never names a model. These
modules import neither torch nor transformers until a model is there, so that costs can be computed without both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fastv.errors import UnsupportedModelError
from fastv.families.decoders import DecoderReader
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.reduced_pictures import Sizes
from fastv.families.shapes import ModelShape
from fastv.families.tower_layers import TowerLayer
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

KeptColumns = Callable[[int], Any]
Processor = Any  # a transformers ProcessorMixin: each class has attributes of its own, which that does not declare


class Family(ABC):
    """One way to build a vision-language model. Subclasses set the attributes and override what differs.

    Attributes
    ----------
    name
        For people.
    model_types
        The values of ``config.model_type`` that it covers.
    unquantized
        Names of the modules that stay at 16 bits when the decoder is quantized: vision suffers first from few bits.
        A list of one's own also replaces the automatic exception for lm_head, so that it stands here too.
    videos
        Whether its models read videos too.
    entries
        Its models in the catalogue.
    decoder_types
        ``model_type`` of a text part that only this family has -> what reads its sizes.
    kernels
        What computes attention: a name for all parts, or the names of parts of the config ("" for the whole) -> theirs.
    positions_by_cache
        Whether its models, given no positions, count them by the cache before the decoder begins, even with a mask.
    splits_pictures
        Whether one picture is several ones to its models: tiles, or an overview and a finer grid.
    frames_are_pictures
        Whether a video's frames are pictures of their own to its models.
    renumbers
        Whether positions of its prompts can be numbered anew: they have one dimension, and one rotary embedding.
    template_settings
        What its chat templates are told beside the question, where they ask for it.
    packages
        Python packages that its models need and this project does not bring.
    """

    name: ClassVar[str]
    model_types: ClassVar[tuple[str, ...]]
    unquantized: ClassVar[tuple[str, ...]]
    videos: ClassVar[bool] = False
    entries: ClassVar[tuple[ModelEntry, ...]] = ()
    decoder_types: ClassVar[Mapping[str, DecoderReader]] = {}
    kernels: ClassVar[str | dict[str, str]] = "sdpa"
    positions_by_cache: ClassVar[bool] = False
    splits_pictures: ClassVar[bool] = False
    frames_are_pictures: ClassVar[bool] = False
    renumbers: ClassVar[bool] = True
    template_settings: ClassVar[Mapping[str, Any]] = {}
    packages: ClassVar[tuple[str, ...]] = ()

    # What methods need beyond a decoder, by what a family redefines

    @property
    def shows_tower(self) -> bool:
        """Whether ``tower_layer`` is known."""
        return type(self).tower_layer is not Family.tower_layer

    @property
    def reduces_pictures(self) -> bool:
        """Whether ``reduced_pictures`` is known."""
        return type(self).reduced_pictures is not Family.reduced_pictures

    @property
    def knows_places(self) -> bool:
        """Whether ``visual_groups`` is known."""
        return type(self).visual_groups is not Family.visual_groups

    # The loaded model

    def decoder(self, model: nn.Module) -> nn.Module:
        """The module that owns ``layers`` and runs them in order. Raises UnsupportedModelError where it is hidden."""
        decoder = getattr(base_of(model), "language_model", None)
        if decoder is None:
            raise UnsupportedModelError(f"{type(model).__name__} hides the model's decoder. Pass the model it wraps.")
        return decoder

    def visual_mask(self, model: nn.Module, input_ids: Tensor) -> Tensor:
        """Boolean (batch, n): True where a visual token stands, of a picture or a video."""
        config: Any = model.config
        first, *others = self.visual_token_ids(config)
        mask = input_ids == first
        for token in others:
            mask = mask | (input_ids == token)
        return mask

    def visual_token_ids(self, config: PreTrainedConfig) -> tuple[int, ...]:
        """The tokens that stand for visual tokens in ``input_ids``, a picture's first."""
        return (config.image_token_id, config.video_token_id) if self.videos else (config.image_token_id,)

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        """The pictures and videos of prompts as they stand in them, row after row; None where the geometry is unknown.

        Parameters
        ----------
        input_ids
            long (batch, n), which pruned prompts are read by. Reading its values waits for the device.
        counts
            Visual tokens of each row. ``generate`` may have repeated the rows, for beams.
        inputs
            What the model, or ``generate``, was given beside them: pixels, grids, and so on.
        """
        return None

    def reduced_pictures(self, model: nn.Module, sizes: Sizes) -> AbstractContextManager[None]:
        """Entered for the time of a ``with``: the vision tower reads pictures at a lower resolution.

        What it makes of them stands at the places of ``reduced_pictures.lattice``, and zeros between, so that a prompt
        has as many visual tokens as before.

        Parameters
        ----------
        sizes
            Called with the token that stands for them, and the pictures or videos that the tower is about to read; the
            rows and columns of visual tokens that each is read at, or None for all of them as they are.

        Raises
        ------
        UnsupportedModelError
            For a model that cannot.
        """
        raise UnsupportedModelError(
            f"How the vision tower of a {self.name} model could read smaller images is not known. Use another method."
        )

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        """The layer of the vision tower whose output the model uses. Raises UnsupportedModelError if unknown."""
        raise UnsupportedModelError(
            f"Which layer of the vision tower of a {self.name} model to observe is not known. Use a method that does "
            "not look at the vision tower."
        )

    # What pruning must know of its layers

    def attention(self, layer: nn.Module) -> nn.Module | None:
        """The attention module of a decoder layer; None for a layer that does not attend."""
        return getattr(layer, "self_attn", None)

    def last_cut(self, model: nn.Module) -> int | None:
        """The last layer on entering which tokens can be dropped; None where that is the last layer."""
        return None

    def while_pruned(self, model: nn.Module, kept: KeptColumns) -> AbstractContextManager[Any]:
        """Entered for the time of a ``with`` that prunes the model: cuts what a decoder takes for whole between its
        layers, such as visual features that are added to the hidden states after a layer.

        Parameters
        ----------
        kept
            Called with a layer's number, amid a forward: what of the sequence that layer sees, as a
            ``pruning.index_selection.Selection``; None for all of it.
        """
        return nullcontext()

    def prune_arguments(
        self, selection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A decoder layer's arguments with what goes along with its hidden states cut as well, such as inputs of each
        layer's own. Hidden states, attention_mask, position_ids and position_embeddings are cut already.

        Parameters
        ----------
        selection
            A ``pruning.index_selection.Selection`` of the sequence's columns.
        """
        return args, kwargs

    def sequence_length(
        self, model: nn.Module, attention_mask: Tensor | None, position_ids: Tensor | None
    ) -> int | None:
        """Length of the whole sequence, cached tokens included, by the arguments of one forward; None if they do not
        tell.

        Parameters
        ----------
        attention_mask
            (batch, n) or (batch, 1, queries, n), as the model's forward was given it.
        position_ids
            (batch, queries), as the model's forward was given it.
        """
        if attention_mask is not None:
            return attention_mask.shape[-1]
        return None if position_ids is None else int(position_ids.max()) + 1

    # Its inputs

    def prompt(self, processor: Processor, question: str, kind: str = "image", count: int = 1) -> str:
        """The text of some pictures, or with kind "video" videos, and one question, in the model's own chat format."""
        turn = {"role": "user", "content": [{"type": kind}] * count + [{"type": "text", "text": question}]}
        template = str(getattr(processor, "chat_template", ""))
        settings = {name: value for name, value in self.template_settings.items() if name in template}
        return processor.apply_chat_template([turn], add_generation_prompt=True, **settings)

    @abstractmethod
    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame] | None:
        """The pictures and frames in what the processor made, and where their visual tokens lie; None where that is
        not known.

        Pictures come first, whatever the order in the prompt.
        """

    def encoded_tokens(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> int | None:
        """How many tokens the vision tower makes of what the processor made; None where each becomes a visual token of
        the prompt.
        """
        return None

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        """The processor of a checkpoint, a folder or a hub id, for a model of this config.

        Raises what transformers raises where files are missing or broken: OSError, ValueError, KeyError, TypeError.
        """
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(source, backend="pil", trust_remote_code=False)

    def input_problem(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> str | None:
        """What is wrong with the inputs that a checkpoint's processor made of one picture, as the end of a sentence
        about the processor; None where they suit the model.
        """
        if not (inputs["input_ids"] == self.visual_token_ids(config)[0]).any():
            return "does not know the token that stands for an image"
        return None

    # Its sizes

    @abstractmethod
    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        """The sizes in a config, given as a dict. Raises UnsupportedModelError for parts whose cost is not known."""


def base_of(model: nn.Module) -> nn.Module:
    """The model without its head."""
    return getattr(model, "base_model", model)
