"""Draws scenes as batches of pictures with torch, on any device: what training sees and what evaluation sees alike.

A scene becomes a few numbers (``parameters``), which are cheap to make in many processes and to send to the device;
there every thing's sprite is sampled in a window around its place and laid over the background, for a whole batch at
once.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from fastv.miniature.next.world.scenes import GRID, MOST_THINGS, NAME_INDEX, PATCH, SIDE, Scene, Thing
from fastv.miniature.next.world.sprites import plate_bank, sprite_bank
from fastv.miniature.next.world.vocabulary import COLOURS, KINDS, PLATE, TINTS, rgb

_WINDOWS = {True: 150, False: 74}  # pixels: the largest and the smallest things turned by 18 degrees fit in
_SLOTS = {True: 4, False: MOST_THINGS}  # large things (with a plate) and small ones
_COARSE = 9  # cells a side of the background's blotches
_PLATES = (((250, 250, 245), (20, 20, 30)), ((250, 214, 70), (20, 20, 20)), ((28, 60, 140), (250, 250, 250)))
NO_LABEL = -100  # where nothing can be said
_GEOMETRY = 6  # x, y, size, sine, cosine, mirrored
_PAINT = 8  # colour (3), its strength, ink (3), light


@dataclass
class Parameters:
    """Scenes in numbers: tensors with a leading dimension of scenes.

    Attributes
    ----------
    large, small : int64 (batch, slots)
        Texture of each thing: 1 + index of its kind, or 1 + kinds + number on the plate; 0 for none.
    large_geometry, small_geometry : float32 (batch, slots, 6)
    large_paint, small_paint : float32 (batch, slots, 8)
    large_index, small_index : int64 (batch, slots)
        Which thing of the scene it is, in reading order.
    ground : float32 (batch, 12)
        Two colours, then style (0 blotches, 1 stripes, 2 dots), step, slope (sine, cosine) and phases of the texture.
    coarse : float32 (batch, 9, 9)
        Blotches or gradient, 0 to 1.
    name, cell, colour, number : int64 (batch, 9)
        Of each thing, in reading order: 1 + index in NAMES (0: no thing), index in CELLS, 1 + index of its colour (0:
        none), number on the plate or NO_LABEL.
    background : int64 (batch,)
        Index of the background's colour.
    """

    large: Tensor
    small: Tensor
    large_geometry: Tensor
    small_geometry: Tensor
    large_paint: Tensor
    small_paint: Tensor
    large_index: Tensor
    small_index: Tensor
    ground: Tensor
    coarse: Tensor
    name: Tensor
    cell: Tensor
    colour: Tensor
    number: Tensor
    background: Tensor

    def to(self, device: torch.device | str) -> Parameters:
        """The same on ``device``."""
        parts = (getattr(self, field.name) for field in fields(self))
        return Parameters(*(part.to(device, non_blocking=True) for part in parts))


def parameters(scenes: list[Scene]) -> Parameters:
    """Scenes -> their numbers, on the CPU."""
    count = len(scenes)
    made: dict[str, np.ndarray] = {}  # single elements are set much faster in NumPy's arrays than in tensors
    for kind, slots in (("large", _SLOTS[True]), ("small", _SLOTS[False])):
        made[kind], made[f"{kind}_index"] = np.zeros((count, slots), np.int64), np.zeros((count, slots), np.int64)
        made[f"{kind}_geometry"] = np.zeros((count, slots, _GEOMETRY), np.float32)
        made[f"{kind}_paint"] = np.zeros((count, slots, _PAINT), np.float32)
    made["ground"], made["coarse"] = np.zeros((count, 12), np.float32), np.zeros((count, _COARSE, _COARSE), np.float32)
    made |= {name: np.zeros((count, MOST_THINGS), np.int64) for name in ("name", "cell", "colour")}
    made["number"] = np.full((count, MOST_THINGS), NO_LABEL, np.int64)
    made["background"] = np.zeros(count, np.int64)
    tints, colours = list(TINTS), list(COLOURS)
    for row, scene in enumerate(scenes):
        rng = random.Random(f"looks {scene.seed}")
        made["ground"][row], made["coarse"][row] = _ground(scene, rng)
        made["background"][row] = colours.index(scene.colour)
        used = {True: 0, False: 0}
        for index, thing in enumerate(scene.things):
            made["name"][row, index] = 1 + NAME_INDEX[thing.name]
            made["cell"][row, index] = thing.cell
            made["colour"][row, index] = 1 + tints.index(thing.colour) if thing.colour else 0
            if thing.number is not None:
                made["number"][row, index] = thing.number
            kind = "large" if thing.large else "small"
            slot = used[thing.large]
            used[thing.large] += 1
            made[kind][row, slot], geometry, paint = _numbers(thing, rng)
            made[f"{kind}_geometry"][row, slot], made[f"{kind}_paint"][row, slot] = geometry, paint
            made[f"{kind}_index"][row, slot] = index
    return Parameters(**{name: torch.from_numpy(array) for name, array in made.items()})


def _numbers(thing: Thing, rng: random.Random) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    turn = math.radians(thing.angle)
    geometry = (thing.x, thing.y, thing.size, math.sin(turn), math.cos(turn), float(thing.mirrored))
    if thing.name == PLATE:
        plate, ink = rng.choice(_PLATES)
        paint = (*(value / 255 for value in plate), 1.0, *(value / 255 for value in ink), thing.light)
        assert thing.number is not None
        return 1 + len(KINDS) + thing.number, geometry, paint
    if thing.colour is None:
        return 1 + NAME_INDEX[thing.name], geometry, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, thing.light)
    tint = rgb(TINTS[thing.colour], rng.uniform(-7, 7), rng.uniform(0.9, 1.1), rng.uniform(0.92, 1.05))
    return 1 + NAME_INDEX[thing.name], geometry, (*tint, 1.0, 0.0, 0.0, 0.0, thing.light)


def _ground(scene: Scene, rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Two shades of the background's colour and a soft texture that mixes them: a gradient, blotches, stripes or
    dots.
    """
    colour = COLOURS[scene.colour]
    hue, saturation, light = rng.uniform(-6, 6), rng.uniform(0.85, 1.12), rng.uniform(0.92, 1.04)
    first = rgb(colour, hue, saturation, light)
    second = rgb(colour, hue + rng.uniform(-5, 5), saturation * rng.uniform(0.85, 1.0), light * rng.uniform(0.84, 0.94))
    style = rng.choice(("gradient", "blotches", "stripes", "dots"))
    draw = np.random.default_rng(rng.getrandbits(32))
    if style == "gradient":
        corners = draw.random((2, 2))
        ramp = np.linspace(0, 1, _COARSE)
        coarse = (corners[0] * (1 - ramp)[:, None] + corners[1] * ramp[:, None])[:, :1] * (1 - ramp) + (
            corners[0, 1] * (1 - ramp)[:, None] + corners[1, 1] * ramp[:, None]
        ) * ramp
    else:
        coarse = draw.random((_COARSE, _COARSE))
    code = {"stripes": 1.0, "dots": 2.0}.get(style, 0.0)
    turn = rng.uniform(0, math.pi)
    texture = (code, rng.uniform(18, 44), math.sin(turn), math.cos(turn), rng.random(), rng.random())
    return np.array((*first, *second, *texture), np.float32), coarse.astype(np.float32)


@lru_cache(maxsize=2)
def _textures(device: str) -> dict[bool, Tensor]:
    """large? -> float16 (textures, 4, side, side): premultiplied red, green, blue and alpha.

    Textures are the kinds' sprites and, for large things, the plates, whose red channel says how much is ink.
    """
    kinds = torch.from_numpy(sprite_bank()).to(device).permute(0, 3, 1, 2).float() / 255
    kinds = torch.cat([kinds[:, :3] * kinds[:, 3:], kinds[:, 3:]], 1)
    kinds = torch.cat([torch.zeros_like(kinds[:1]), kinds])
    plates = torch.from_numpy(plate_bank()).to(device).permute(0, 3, 1, 2).float() / 255
    plates = torch.cat([plates[:, :1], torch.zeros_like(plates), plates[:, 1:]], 1)
    return {True: torch.cat([kinds, plates]).half(), False: avg_pool2d(kinds, 2).half()}


def render(made: Parameters) -> tuple[Tensor, Tensor]:
    """Draw a batch of scenes.

    Parameters
    ----------
    made : Parameters
        On the device that is to draw.

    Returns
    -------
    pictures : uint8 (batch, 3, 336, 336)
    owners : int64 (batch, 576)
        Which thing (in reading order) covers most of each patch, -1 for the background.
    """
    batch, device = len(made.ground), made.ground.device
    canvas = torch.zeros(batch, SIDE * SIDE, 4, device=device)
    cover = torch.zeros(batch, MOST_THINGS, GRID * GRID, device=device)
    for large in (False, True):
        kind = "large" if large else "small"
        texture, geometry, paint, index = (
            getattr(made, name) for name in (kind, f"{kind}_geometry", f"{kind}_paint", f"{kind}_index")
        )
        _lay(canvas, cover, texture, geometry, paint, index, large)
    canvas = canvas.view(batch, SIDE, SIDE, 4).permute(0, 3, 1, 2)
    alpha = canvas[:, 3:].clamp(max=1)
    pictures = _background(made) * (1 - alpha) + canvas[:, :3]
    cover = cover / PATCH**2
    most = cover.max(1)
    owners = torch.where(most.values > 0.3, most.indices, -1)
    return pictures.clamp(0, 1).mul(255).round().to(torch.uint8), owners


def _lay(
    canvas: Tensor, cover: Tensor, texture: Tensor, geometry: Tensor, paint: Tensor, index: Tensor, large: bool
) -> None:
    """Adds each thing to ``canvas`` (batch, pixels, 4), premultiplied, and its alpha to ``cover`` (batch, things,
    patches).
    """
    window, device = _WINDOWS[large], canvas.device
    rows, slots = torch.nonzero(texture, as_tuple=True)
    if not len(rows):
        return
    texture, geometry, paint, index = (part[rows, slots] for part in (texture, geometry, paint, index))
    x, y, size, sine, cosine, mirrored = geometry[..., None, None].unbind(1)
    left, top = ((place - window / 2).round() for place in (x, y))
    steps = torch.arange(window, device=device, dtype=torch.float32)
    across, down = left + steps, top + steps[:, None]
    dx, dy = across + 0.5 - x, down + 0.5 - y
    u = (dx * cosine + dy * sine) * (2 / size) * (1 - 2 * mirrored)
    v = (dy * cosine - dx * sine) * (2 / size)
    bank = _textures(str(device))[large]
    colour = grid_sample(bank[texture].float(), torch.stack([u, v], -1), align_corners=False)
    plate = (texture > len(KINDS))[:, None, None, None]
    alpha = colour[:, 3:]
    strength = paint[:, 3, None, None, None]
    main, ink, light = paint[:, :3, None, None], paint[:, 4:7, None, None], paint[:, 7, None, None, None]
    grey = (colour[:, :3] * colour.new_tensor([0.35, 0.45, 0.2])[:, None, None]).sum(1, keepdim=True)
    # dark lines stay dark, everything else takes the colour: the curve lifts mid tones so that colours are seen well
    tinted = main * (alpha * 0.25 + 0.95 * grey).clamp(max=1)
    inked = main * (alpha - colour[:, :1]).clamp(min=0) + ink * colour[:, :1] * alpha
    painted = torch.where(plate, inked, torch.where(strength > 0, tinted, colour[:, :3]))
    painted = torch.minimum(painted * light, alpha)
    inside = ((across >= 0) & (across < SIDE) & (down >= 0) & (down < SIDE))[:, None]
    layer = (torch.cat([painted, alpha], 1) * inside).permute(0, 2, 3, 1)
    columns, lines = across.clamp(0, SIDE - 1).long(), down.clamp(0, SIDE - 1).long()
    pixel = (lines * SIDE + columns).expand(-1, window, window)
    flat = (rows[:, None, None] * (SIDE * SIDE) + pixel).flatten()
    canvas.view(-1, 4).index_add_(0, flat, layer.reshape(-1, 4))
    patch = (lines // PATCH * GRID + columns // PATCH).expand(-1, window, window)
    flat = ((rows * MOST_THINGS + index)[:, None, None] * GRID * GRID + patch).flatten()
    cover.view(-1).index_add_(0, flat, layer[..., 3].flatten())


def _background(made: Parameters) -> Tensor:
    """float32 (batch, 3, 336, 336)."""
    ground, device = made.ground, made.ground.device
    first, second = ground[:, 0:3, None, None], ground[:, 3:6, None, None]
    style, step, sine, cosine, phase, other = ground[:, 6:12, None, None].unbind(1)
    soft = interpolate(made.coarse[:, None], (SIDE, SIDE), mode="bilinear", align_corners=True)[:, 0]
    at = torch.arange(SIDE, device=device, dtype=torch.float32)
    along = (at * cosine + at[:, None] * sine) / step + phase
    across = (at[:, None] * cosine - at * sine) / step + other
    wave = (along - along.floor() - 0.5).abs()
    stripes = (wave < 0.18).float() * 0.8
    dots = ((wave.square() + (across - across.floor() - 0.5).square()) < 0.04).float() * 0.85
    mix = torch.where(style == 1, stripes, torch.where(style == 2, dots, soft))[:, None]
    return first + (second - first) * mix


def normalised(pictures: Tensor) -> Tensor:
    """uint8 (batch, 3, h, w) -> float32, as CLIP's image processor does it (scene pictures have their final size
    already).
    """
    mean, deviation = (
        torch.tensor(values, device=pictures.device)[:, None, None] for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    )
    return pictures.float().div_(255).sub_(mean).div_(deviation)


def picture(scene: Scene) -> Image.Image:
    """One scene as an image, RGB, 336 x 336."""
    return Image.fromarray(render(parameters([scene]).to("cpu"))[0][0].permute(1, 2, 0).numpy())
