"""The ten objects as signed distance fields, and the six floors as colours.

Objects live in their own frame: standing on y = 0, about 1.6 high or wide, front along +z.
`no_type_check` keeps the tests' run-time type checks out of what numba compiles.
"""

import math
from typing import no_type_check

from numba import njit

BALL, BOX, CONE, CYLINDER, RING, TABLE, CHAIR, MUG, SNOWMAN, CAR = range(10)
WOODEN, TILED, CHECKERED, GRASS, SAND, BRICK = range(6)


@njit(cache=True, fastmath=True, inline="always")
@no_type_check
def _box(x, y, z, a, b, c, rounding):
    x, y, z = abs(x) - a + rounding, abs(y) - b + rounding, abs(z) - c + rounding
    outside = math.sqrt(max(x, 0.0) ** 2 + max(y, 0.0) ** 2 + max(z, 0.0) ** 2)
    return outside + min(max(x, max(y, z)), 0.0) - rounding


@njit(cache=True, fastmath=True, inline="always")
@no_type_check
def _ball(x, y, z, radius):
    return math.sqrt(x * x + y * y + z * z) - radius


@njit(cache=True, fastmath=True, inline="always")
@no_type_check
def _rod(x, y, z, radius, half):
    """A cylinder along y."""
    a, b = math.sqrt(x * x + z * z) - radius, abs(y) - half
    return min(max(a, b), 0.0) + math.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2)


@njit(cache=True, fastmath=True, inline="always")
@no_type_check
def _ring(x, y, z, radius, tube):
    """A torus in the xy plane."""
    a = math.sqrt(x * x + y * y) - radius
    return math.sqrt(a * a + z * z) - tube


@njit(cache=True, fastmath=True, inline="always")
@no_type_check
def _cone(x, y, z, radius, height):
    """A cone on y = 0 with its tip up; a bound good enough to march on."""
    slant = math.sqrt(radius * radius + height * height)
    side = (height * math.sqrt(x * x + z * z) + radius * (y - height)) / slant
    return max(side, -y)


@njit(cache=True, fastmath=True)
@no_type_check
def distance_to(kind, x, y, z):
    """Distance from a point in the object's frame to its surface, negative inside."""
    if kind == BALL:
        return _ball(x, y - 0.85, z, 0.85)
    if kind == BOX:
        return _box(x, y - 0.68, z, 0.68, 0.68, 0.68, 0.05)
    if kind == CONE:
        return _cone(x, y, z, 0.85, 1.75)
    if kind == CYLINDER:
        return _rod(x, y - 0.85, z, 0.58, 0.82) - 0.03
    if kind == RING:
        return _ring(x, y - 0.95, z, 0.68, 0.26)
    if kind == TABLE:
        d = _box(x, y - 1.12, z, 1.05, 0.09, 0.72, 0.03)
        return min(d, _box(abs(x) - 0.86, y - 0.55, abs(z) - 0.54, 0.1, 0.55, 0.1, 0.02))
    if kind == CHAIR:
        d = _box(x, y - 0.78, z, 0.58, 0.09, 0.55, 0.03)
        d = min(d, _box(x, y - 1.38, z + 0.5, 0.58, 0.6, 0.08, 0.03))
        return min(d, _box(abs(x) - 0.48, y - 0.39, abs(z) - 0.45, 0.09, 0.39, 0.09, 0.02))
    if kind == MUG:
        d = max(_rod(x, y - 0.75, z, 0.64, 0.74), -_rod(x, y - 0.95, z, 0.52, 0.74))
        handle = _ring(x - 0.68, y - 0.75, z, 0.38, 0.11)
        return min(d, max(handle, 0.55 - math.sqrt(x * x + z * z)))
    if kind == SNOWMAN:
        d = min(_ball(x, y - 0.56, z, 0.58), _ball(x, y - 1.22, z, 0.4))
        d = min(d, _ball(x, y - 1.66, z, 0.27))
        d = min(d, _rod(x, y - 1.93, z, 0.2, 0.1))
        return min(d, _ball(x, y - 1.66, z - 0.3, 0.09))
    d = _box(x, y - 0.5, z, 1.05, 0.26, 0.5, 0.1)
    d = min(d, _box(x + 0.08, y - 0.88, z, 0.58, 0.26, 0.43, 0.12))
    return min(d, _rod(abs(x) - 0.62, abs(z) - 0.46, y - 0.27, 0.27, 0.11))


@njit(cache=True, fastmath=True)
@no_type_check
def colour_of(kind, x, y, z, own, out):
    """Write the albedo at a point of the object's surface: its own colour, and a few details."""
    for i in range(3):
        out[i] = own[i]
    if kind == SNOWMAN and y > 1.83:
        out[0], out[1], out[2] = 0.16, 0.14, 0.15
    elif kind == SNOWMAN and z > 0.27 and 1.55 < y < 1.77 and abs(x) < 0.1:
        out[0], out[1], out[2] = 0.95, 0.45, 0.1
    elif kind == CAR and y < 0.56 and _rod(abs(x) - 0.62, abs(z) - 0.46, y - 0.27, 0.28, 0.115) < 0:
        rim = (abs(x) - 0.62) ** 2 + (y - 0.27) ** 2 < 0.018
        out[0] = out[1] = out[2] = 0.7 if rim else 0.13
    elif kind == CAR and 0.8 < y < 1.06:
        out[0], out[1], out[2] = 0.6, 0.75, 0.85
    elif kind == MUG and y > 0.2 and x * x + z * z < 0.53**2:
        for i in range(3):
            out[i] = 0.5 * own[i] + 0.4


@njit(cache=True, fastmath=True, inline="always")
@no_type_check
def _hash(i, j):
    value = math.sin(i * 127.1 + j * 311.7) * 43758.5453
    return value - math.floor(value)


@njit(cache=True, fastmath=True)
@no_type_check
def noise(x, y):
    """Smooth value noise in 0..1, with one random value for each integer point."""
    i, j = math.floor(x), math.floor(y)
    a, b = x - i, y - j
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    low = _hash(i, j) * (1 - a) + _hash(i + 1, j) * a
    high = _hash(i, j + 1) * (1 - a) + _hash(i + 1, j + 1) * a
    return low * (1 - b) + high * b


@njit(cache=True, fastmath=True)
@no_type_check
def floor_colour(kind, x, z, out):
    """Write the albedo of the floor at (x, z)."""
    if kind == WOODEN:
        plank = math.floor(x / 0.4)
        light = 0.82 + 0.25 * _hash(plank, math.floor(z / 2.5 + 0.37 * plank))
        light *= 0.93 + 0.14 * noise(12 * x, 1.5 * z)
        if x / 0.4 - plank < 0.06:
            light *= 0.6
        out[0], out[1], out[2] = 0.68 * light, 0.44 * light, 0.24 * light
    elif kind == TILED:
        a, b = x / 0.6 - math.floor(x / 0.6), z / 0.6 - math.floor(z / 0.6)
        light = 0.5 if a < 0.08 or b < 0.08 else 0.95
        out[0], out[1], out[2] = 0.62 * light, 0.78 * light, 0.86 * light
    elif kind == CHECKERED:
        dark = (math.floor(x / 0.6) + math.floor(z / 0.6)) % 2 == 0
        out[0] = out[1] = out[2] = 0.2 if dark else 0.88
    elif kind == GRASS:
        light = 0.7 + 0.35 * noise(9 * x, 9 * z) + 0.2 * noise(2 * x, 2 * z)
        out[0], out[1], out[2] = 0.33 * light, 0.58 * light, 0.2 * light
    elif kind == SAND:
        light = 0.9 + 0.12 * math.sin(6 * z + 4 * noise(1.2 * x, 1.2 * z))
        out[0], out[1], out[2] = 0.88 * light, 0.76 * light, 0.52 * light
    else:
        line = math.floor(z / 0.3)
        a, b = (x + 0.3 * (line % 2)) / 0.6, z / 0.3 - line
        light = 0.85 + 0.25 * _hash(math.floor(a), line)
        if a - math.floor(a) < 0.06 or b < 0.12:
            out[0], out[1], out[2] = 0.75, 0.72, 0.68
        else:
            out[0], out[1], out[2] = 0.64 * light, 0.3 * light, 0.22 * light
