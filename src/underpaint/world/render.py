"""Draw a scene with exact truth: a room met analytically, one object by its distance field.

Every picture is `albedo x shading + highlight`, so the truth is what the picture was made of, not
an estimate. Depth is inverse distance along the camera axis (near = large), as MiDaS gives it.
Normals are in camera coordinates (x right, y up, z towards the viewer).

Notation
    o, d   ray origin and direction, in the room's frame: x right, y up, z forward
    t      distance along the ray
    q      a point in the object's own frame: unit size, standing on y = 0
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .shapes import colour_of, distance_to, floor_colour, noise

SIZE_PX = 128
MAX_BLOCKS = 3

# Columns of the numbers that make a scene: `layouts.py` fills them in, only this file reads them.
CAMERA, PITCH, YAW, ROLL, FOCAL = 0, 3, 4, 5, 6
LIGHT, AMBIENT = 7, 10
ROOM, WALL_COLOUR, FLOOR = 11, 15, 18
OBJECT, POSITION, SCALE, TURN, COLOUR = 19, 20, 23, 24, 25
BLOCKS, BLOCK_COLOUR = 28, 28 + 6 * MAX_BLOCKS
NUMBERS = BLOCK_COLOUR + 3

# What a ray can meet.
NOTHING, FLOOR_HIT, WALL_HIT, BLOCK_HIT, OBJECT_HIT = 0, 1, 2, 3, 4

_BALL_Y, _BALL_RADIUS = 0.82, 1.22  # a ball around every object, in its own frame


@njit(cache=True, fastmath=True)
@no_type_check
def camera_axes(scene):
    """Give right, up and forward of the camera as rows, in the room's frame."""
    pitch, yaw, roll = scene[PITCH], scene[YAW], scene[ROLL]
    cp, sp, cy, sy, cr, sr = (
        math.cos(pitch), math.sin(pitch), math.cos(yaw), math.sin(yaw),
        math.cos(roll), math.sin(roll),
    )  # fmt: skip
    level = np.array((cy, 0.0, -sy))
    rise = np.array((sp * sy, cp, sp * cy))
    axes = np.empty((3, 3))
    axes[0] = cr * level + sr * rise
    axes[1] = cr * rise - sr * level
    axes[2] = np.array((cp * sy, -sp, cp * cy))
    return axes


@njit(cache=True, fastmath=True)
@no_type_check
def meet_room(scene, o, d, normal):
    """Find what of the room a ray meets: (kind, t), with the surface normal written to `normal`."""
    best, kind = 1e9, NOTHING
    if d[1] < -1e-9:
        best, kind = -o[1] / d[1], FLOOR_HIT
        normal[0], normal[1], normal[2] = 0.0, 1.0, 0.0
    for axis in (0, 2):  # the four walls: x and z between two bounds
        if abs(d[axis]) > 1e-9:
            low = scene[ROOM + axis]
            high = scene[ROOM + axis + 1]
            t = ((high if d[axis] > 0 else low) - o[axis]) / d[axis]
            if 0 < t < best:
                best, kind = t, WALL_HIT
                normal[0], normal[1], normal[2] = 0.0, 0.0, 0.0
                normal[axis] = -1.0 if d[axis] > 0 else 1.0
    for block in range(MAX_BLOCKS):
        t, axis = enter_block(scene, block, o, d)
        if t < best:
            best, kind = t, BLOCK_HIT
            normal[0], normal[1], normal[2] = 0.0, 0.0, 0.0
            normal[axis] = -1.0 if d[axis] > 0 else 1.0
    return kind, best


@njit(cache=True, fastmath=True)
@no_type_check
def enter_block(scene, block, o, d):
    """Where a ray enters a block, and through a face of which axis (slab method); 1e9 if never."""
    start = BLOCKS + 6 * block
    if scene[start + 3] <= scene[start]:
        return 1e9, 0
    near, far, face = -1e9, 1e9, 0
    for axis in range(3):
        step = d[axis] if abs(d[axis]) > 1e-9 else 1e-9
        a = (scene[start + axis] - o[axis]) / step
        b = (scene[start + 3 + axis] - o[axis]) / step
        if a > b:
            a, b = b, a
        if a > near:
            near, face = a, axis
        far = min(far, b)
    if near > far or near < 1e-4:
        return 1e9, 0
    return near, face


@njit(cache=True, fastmath=True)
@no_type_check
def to_object(scene, p, q):
    """Write the point p of the room into the object's own frame."""
    x, y, z = p[0] - scene[POSITION], p[1] - scene[POSITION + 1], p[2] - scene[POSITION + 2]
    c, s = math.cos(scene[TURN]), math.sin(scene[TURN])
    inverse = 1.0 / scene[SCALE]
    q[0], q[1], q[2] = (c * x - s * z) * inverse, y * inverse, (s * x + c * z) * inverse


@njit(cache=True, fastmath=True)
@no_type_check
def near_object(scene, o, d):
    """Where a ray enters and leaves the ball around the object; (1, 0) if it misses."""
    x = o[0] - scene[POSITION]
    y = o[1] - scene[POSITION + 1] - _BALL_Y * scene[SCALE]
    z = o[2] - scene[POSITION + 2]
    b = x * d[0] + y * d[1] + z * d[2]
    root = b * b - (x * x + y * y + z * z - (_BALL_RADIUS * scene[SCALE]) ** 2)
    if root <= 0:
        return 1.0, 0.0
    root = math.sqrt(root)
    return max(-b - root, 1e-3), -b + root


@njit(cache=True, fastmath=True)
@no_type_check
def meet_object(scene, o, d, p, q):
    """Sphere-trace the object; returns t, or 1e9. `p` and `q` are left at the meeting point."""
    t, end = near_object(scene, o, d)
    kind = int(scene[OBJECT])
    for _ in range(64):
        if t > end:
            return 1e9
        for axis in range(3):
            p[axis] = o[axis] + t * d[axis]
        to_object(scene, p, q)
        gap = distance_to(kind, q[0], q[1], q[2]) * scene[SCALE]
        if gap < 1e-3 * t:
            return t
        t += 0.9 * gap
    return 1e9


@njit(cache=True, fastmath=True)
@no_type_check
def object_normal(scene, q, normal):
    """The gradient of the distance field at q by four taps, turned into the room's frame."""
    kind, e = int(scene[OBJECT]), 2e-3
    a = distance_to(kind, q[0] + e, q[1] - e, q[2] - e)
    b = distance_to(kind, q[0] - e, q[1] - e, q[2] + e)
    c = distance_to(kind, q[0] - e, q[1] + e, q[2] - e)
    f = distance_to(kind, q[0] + e, q[1] + e, q[2] + e)
    x, y, z = a - b - c + f, -a - b + c + f, -a + b - c + f
    length = 1.0 / math.sqrt(x * x + y * y + z * z + 1e-20)
    cos, sin = math.cos(scene[TURN]), math.sin(scene[TURN])
    normal[0], normal[1], normal[2] = (
        (cos * x + sin * z) * length, y * length, (-sin * x + cos * z) * length
    )  # fmt: skip


@njit(cache=True, fastmath=True)
@no_type_check
def sunlight(scene, p, light, s, q):
    """How much of the light reaches p: 0 behind a block, soft behind the object."""
    for block in range(MAX_BLOCKS):
        t, _ = enter_block(scene, block, p, light)
        if t < 1e8:
            return 0.0
    t, end = near_object(scene, p, light)
    kind, clear = int(scene[OBJECT]), 1.0
    t = max(t, 0.02 * scene[SCALE])
    for _ in range(40):
        if t > end:
            break
        for axis in range(3):
            s[axis] = p[axis] + t * light[axis]
        to_object(scene, s, q)
        gap = distance_to(kind, q[0], q[1], q[2]) * scene[SCALE]
        clear = min(clear, 14.0 * gap / t)
        if clear < 0.01:
            return 0.0
        t += max(gap, 0.02 * scene[SCALE])
    return clear * clear * (3 - 2 * clear)


@njit(cache=True, fastmath=True)
@no_type_check
def crevice(scene, p, normal, hit, s, q):
    """Ambient occlusion: darkening near the object and in the corners of the room."""
    open_ = 1.0
    if hit != OBJECT_HIT:
        if hit != FLOOR_HIT:
            open_ *= 1 - 0.35 * math.exp(-p[1] / 0.25)
        for axis in (0, 2):
            if abs(normal[axis]) < 0.5:
                gap = min(p[axis] - scene[ROOM + axis], scene[ROOM + axis + 1] - p[axis])
                open_ *= 1 - 0.35 * math.exp(-max(gap, 0.0) / 0.25)
    kind = int(scene[OBJECT])
    covered = 0.0
    for i in range(1, 4):
        reach = 0.16 * i * scene[SCALE]
        for axis in range(3):
            s[axis] = p[axis] + reach * normal[axis]
        to_object(scene, s, q)
        dx, dy, dz = q[0], q[1] - _BALL_Y, q[2]
        if dx * dx + dy * dy + dz * dz > 4.0:
            break
        gap = distance_to(kind, q[0], q[1], q[2]) * scene[SCALE]
        covered += max(reach - gap, 0.0) / reach / (i + 1)
    return open_ * max(1 - 0.75 * covered, 0.2)


@njit(cache=True, fastmath=True)
@no_type_check
def ray_of(scene, axes, across, down, d):
    """The direction through a point of the picture, -1..1 across and down, in the room's frame.

    Written to `d` with unit length; returns how long it is where its depth is 1.
    """
    u, v = across / scene[FOCAL], -down / scene[FOCAL]
    length = math.sqrt(1 + u * u + v * v)
    for axis in range(3):
        d[axis] = (u * axes[0, axis] + v * axes[1, axis] + axes[2, axis]) / length
    return length


@njit(cache=True, fastmath=True)
@no_type_check
def shares(scene, size):
    """What shares of a picture are floor, the object, and the object were no block before it."""
    floor, seen, whole = 0, 0, 0
    axes = camera_axes(scene)
    o = scene[CAMERA : CAMERA + 3].copy()
    d, p, q, n = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for row in range(size):
        for col in range(size):
            ray_of(scene, axes, (2 * col + 1) / size - 1, (2 * row + 1) / size - 1, d)
            hit, t = meet_room(scene, o, d, n)
            t_object = meet_object(scene, o, d, p, q)
            whole += t_object < 1e9
            seen += t_object < t
            floor += hit == FLOOR_HIT and t < t_object
    return floor / size**2, seen / size**2, whole / size**2


@njit(cache=True, fastmath=True)
@no_type_check
def render(scene, size, samples):
    """Draw one scene.

    Returns [size size 13]: red, green, blue, mask, inverse depth, shading, normal xyz, albedo rgb,
    and 1 where the pixel was drawn. Everything is averaged over `samples`² rays a pixel.
    """
    out = np.zeros((size, size, 13), np.float32)
    axes = camera_axes(scene)
    o, light = scene[CAMERA : CAMERA + 3].copy(), scene[LIGHT : LIGHT + 3].copy()
    d, p, q, n, s = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    c, half = np.empty(3), np.empty(3)
    share = 1.0 / (samples * samples)
    for row in range(size):
        for col in range(size):
            for i in range(samples * samples):
                across = 2 * (col + (i % samples + 0.5) / samples) / size - 1
                down = 2 * (row + (i // samples + 0.5) / samples) / size - 1
                length = ray_of(scene, axes, across, down, d)
                hit, t = meet_room(scene, o, d, n)
                t_object = meet_object(scene, o, d, p, q)
                shine = 0.0
                if t_object < t:
                    hit, t, shine = OBJECT_HIT, t_object, 0.25
                    object_normal(scene, q, n)
                    colour_of(int(scene[OBJECT]), q[0], q[1], q[2], scene[COLOUR : COLOUR + 3], c)
                else:
                    for axis in range(3):
                        p[axis] = o[axis] + t * d[axis]
                    if hit == FLOOR_HIT:
                        floor_colour(int(scene[FLOOR]), p[0], p[2], c)
                    else:
                        first = WALL_COLOUR if hit == WALL_HIT else BLOCK_COLOUR
                        grain = 0.97 + 0.06 * noise(3 * (p[0] + p[2]), 3 * p[1])
                        for axis in range(3):
                            c[axis] = scene[first + axis] * grain
                for axis in range(3):
                    p[axis] += 2e-3 * n[axis] * t * 0.5
                facing = n[0] * light[0] + n[1] * light[1] + n[2] * light[2]
                direct = facing * sunlight(scene, p, light, s, q) if facing > 0 else 0.0
                around = scene[AMBIENT] * (0.8 + 0.2 * n[1]) * crevice(scene, p, n, hit, s, q)
                shade = min(around + (1 - scene[AMBIENT]) * direct, 1.0)
                glint = 0.0
                if shine > 0 and direct > 0:
                    for axis in range(3):
                        half[axis] = light[axis] - d[axis]
                    norm = math.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
                    cosine = (n[0] * half[0] + n[1] * half[1] + n[2] * half[2]) / norm
                    glint = shine * max(cosine, 0.0) ** 40 * min(3 * direct, 1.0)
                pixel = out[row, col]
                for axis in range(3):
                    pixel[axis] += share * min(c[axis] * shade + glint, 1.0)
                    pixel[9 + axis] += share * c[axis]
                pixel[3] += share * (hit == OBJECT_HIT)
                pixel[4] += share * length / t
                pixel[5] += share * shade
                for axis in range(3):
                    sign = -1.0 if axis == 2 else 1.0
                    pixel[6 + axis] += (
                        share * sign
                        * (n[0] * axes[axis, 0] + n[1] * axes[axis, 1] + n[2] * axes[axis, 2])
                    )  # fmt: skip
                pixel[12] += share * (hit != NOTHING)
    return out


def render_all(scenes: NDArray[np.float64], *, size: int = SIZE_PX) -> NDArray[np.float32]:
    """Draw scenes [scene number] into [scene size size 13]; see `render` for the channels."""
    return np.stack([render(scene, size, 2) for scene in scenes])
