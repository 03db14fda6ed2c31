"""Choose where everything stands, so that a pixel's place tells little about the scene.

The object is placed by what the camera sees: choose a pixel and an apparent size, cast a ray at the
empty room, and put the object where the ray meets level ground. Camera tilt and roll, the room's
walls, and blocks to stand on or behind vary so widely that the mean depth map of all scenes is a
poor guess for any one of them. What the caption names has to show: a scene that hides its floor or
much of its object is drawn anew.
"""

import math

import numpy as np
from numpy.typing import NDArray

from . import render as r
from .words import COLOURS, Caption

_GLANCE = 32
"""Rays a side that tell what a picture shows."""


def layout(caption: Caption, random: np.random.Generator) -> NDArray[np.float64]:
    """Give the numbers of one scene that shows the caption."""
    thing, _, floor, _ = caption.classes
    while True:
        scene = _room(random)
        _camera(scene, random)
        scene[r.OBJECT], scene[r.FLOOR] = thing, floor
        scene[r.TURN] = random.uniform(0, 2 * math.pi)
        if _place(scene, random) and _shows(scene):
            break
    tint = np.asarray(COLOURS[caption.colour]) + random.normal(0, 0.02, 3)
    scene[r.COLOUR : r.COLOUR + 3] = tint.clip(0.03, 0.97)
    _light(scene, caption.light, random)
    return scene


def _room(random: np.random.Generator) -> NDArray[np.float64]:
    """A room around the origin with up to three blocks in it; the camera will stand inside."""
    scene = np.zeros(r.NUMBERS)
    scene[r.ROOM : r.ROOM + 4] = (
        -random.uniform(1.0, 4), random.uniform(1.0, 4), -6.0, random.uniform(0.5, 5)
    )  # fmt: skip
    for colour, dullness in ((r.WALL_COLOUR, 0.35), (r.BLOCK_COLOUR, 0.55)):
        grey = random.uniform(0.5, 0.92)
        scene[colour : colour + 3] = (grey + dullness * random.uniform(-0.3, 0.3, 3)).clip(
            0.2, 0.95
        )
    for block in range(random.choice([0, 1, 2, 3], p=[0.2, 0.25, 0.3, 0.25])):
        low = random.random() < 0.6  # a step to stand on, or a pillar to stand behind
        width, length = random.uniform(0.8, 2.6, 2) if low else random.uniform(0.4, 1.2, 2)
        height = random.uniform(0.15, 0.8) if low else random.uniform(0.8, 2.2)
        x, z = random.uniform(-2.5, 2.5), random.uniform(-1, 4)
        scene[r.BLOCKS + 6 * block : r.BLOCKS + 6 * block + 6] = (
            x - width, 0, z - length, x + width, height, z + length
        )  # fmt: skip
    return scene


def _camera(scene: NDArray[np.float64], random: np.random.Generator) -> None:
    """Look into the room from a random height, tilted, turned and rolled."""
    scene[r.PITCH] = math.radians(random.triangular(4, 22, 66))
    scene[r.YAW] = math.radians(random.uniform(-80, 80))
    scene[r.ROLL] = math.radians(random.normal(0, 14))
    scene[r.FOCAL] = 1 / math.tan(math.radians(random.uniform(34, 62)) / 2)
    scene[r.CAMERA : r.CAMERA + 3] = (
        random.uniform(0.7, 0.9) * scene[r.ROOM + random.integers(2)] * random.uniform(-0.3, 1),
        random.uniform(1.2, 3.6),
        random.uniform(-3, -1),
    )


def _place(scene: NDArray[np.float64], random: np.random.Generator) -> bool:
    """Stand the object on level ground under a random pixel; False if there is none there."""
    low, high = scene[r.ROOM], scene[r.ROOM + 1]
    eye = scene[r.CAMERA : r.CAMERA + 3]
    if not (low + 0.2 < eye[0] < high - 0.2) or _inside_block(scene, eye):
        return False
    radius = random.uniform(0.26, 0.58)  # apparent, where half the picture's width is 1
    u, v = random.uniform(-1, 1, 2) * (1.02 - 0.75 * radius)
    axes = r.camera_axes(scene)
    ray = u / scene[r.FOCAL] * axes[0] + (v - 0.6 * radius) / scene[r.FOCAL] * axes[1] + axes[2]
    ray /= np.linalg.norm(ray)
    normal = np.zeros(3)
    _, t = r.meet_room(scene, eye, ray, normal)
    if normal[1] < 0.5 or t > 9:
        return False
    ground = eye + t * ray
    scale = radius * (t * ray @ axes[2]) / scene[r.FOCAL]
    inside = all(
        scene[r.ROOM + axis] + 0.7 * scale < ground[axis] < scene[r.ROOM + axis + 1] - 0.7 * scale
        for axis in (0, 2)
    )
    if not inside or not 0.12 < scale < 1.6 or t < 1.7 * scale:
        return False
    scene[r.POSITION : r.POSITION + 3], scene[r.SCALE] = ground, scale
    return not _blocked(scene, ground, scale)


def _inside_block(scene: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    blocks = scene[r.BLOCKS : r.BLOCK_COLOUR].reshape(-1, 2, 3)
    return any(
        (low - 0.3 < point).all() and (point < high + 0.3).all()
        for low, high in blocks
        if high[0] > low[0]
    )


def _blocked(scene: NDArray[np.float64], ground: NDArray[np.float64], scale: float) -> bool:
    """Whether a block cuts into the object, or the object's feet stand over its edge."""
    for low, high in scene[r.BLOCKS : r.BLOCK_COLOUR].reshape(-1, 2, 3):
        if high[0] <= low[0]:
            continue
        stands_on = abs(ground[1] - high[1]) < 1e-3
        margin = -0.6 * scale if stands_on else 0.8 * scale
        within = all(low[a] - margin < ground[a] < high[a] + margin for a in (0, 2))
        if within != stands_on and not (stands_on is False and high[1] <= ground[1]):
            over = all(low[a] < ground[a] < high[a] for a in (0, 2))
            if stands_on and not over:  # a block of the same height elsewhere
                continue
            return True
    return False


def _shows(scene: NDArray[np.float64]) -> bool:
    """Whether the picture shows some floor, and the object but for a fifth at most."""
    floor, seen, whole = r.shares(scene, _GLANCE)
    return floor > 0.04 and seen > 0.8 * whole


def _light(scene: NDArray[np.float64], side: str, random: np.random.Generator) -> None:
    """Light from the camera's left or right, low enough to throw a shadow, or from above."""
    if side == "above":
        turn, height = random.uniform(0, 2 * math.pi), math.radians(random.uniform(58, 80))
    else:
        turn = math.radians(random.uniform(-35, 35)) + (math.pi if side == "left" else 0)
        height = math.radians(random.uniform(14, 44))
    turn -= scene[r.YAW]
    scene[r.LIGHT : r.LIGHT + 3] = (
        math.cos(height) * math.cos(turn), math.sin(height), math.cos(height) * math.sin(turn)
    )  # fmt: skip
    scene[r.AMBIENT] = random.uniform(0.34, 0.5)
