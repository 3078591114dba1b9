"""Procedural scenes for the demo set: textured shapes over textured backgrounds.

The surfaces of objects and backgrounds come from one family of textures and colours, so neither
colour nor texture gives a class away: only the outline does.
"""

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["CLASSES", "DIFFICULTY", "Instance", "Scene", "render_scene"]

# One table to tune how hard the set is. Sizes are fractions of the image side.
DIFFICULTY = {
    "num_objects": (2, 5),  # per scene, both ends included
    "main_size": (0.36, 0.50),  # longest box side of the object that names the scene
    "other_size": (0.18, 0.30),  # below main_size, so that the label is never in doubt
    "squeeze": (0.80, 1.00),  # one axis against the other, before rotation
    "min_visible": 0.65,  # of an object that lies under others
    "min_contrast": 70.0,  # BGR distance between an object's and the background's mean colour
    "surface_range": 45.0,  # BGR distance between the two colours of one surface
    "num_distractors": (3, 7),  # strokes and soft blobs that belong to no class
    "noise_sigma": 4.0,  # sensor noise, in grey levels
}
_SUPERSAMPLE = 4
_SHIFT = 4  # sub-pixel bits of cv2.fillPoly


def _circle(radius: float, num_points: int = 48) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _star(num_tips: int, inner: float) -> np.ndarray:
    points = _circle(1.0, 2 * num_tips)
    points[1::2] *= inner
    return points


def _cross(arm: float) -> np.ndarray:
    quarter = np.array([[arm, arm], [arm, 1.0], [-arm, 1.0]])
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # by 90 degrees
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, k).T for k in range(4)])


# Outlines around the origin; more than one contour means even-odd filling (a hole).
_OUTLINES: dict[str, list[np.ndarray]] = {
    "disc": [_circle(1.0)],
    "ring": [_circle(1.0), _circle(0.52)],
    "triangle": [_circle(1.0, 3)],
    "star": [_star(5, 0.42)],
    "cross": [_cross(0.32)],
}
CLASSES: tuple[str, ...] = tuple(_OUTLINES)


@dataclass
class Instance:
    """One object: `label` indexes `CLASSES`; `mask` is its visible part, `(H, W)` bool."""

    label: int
    mask: np.ndarray


@dataclass
class Scene:
    """One picture: `image` `(H, W, 3)` uint8 BGR, `label` the class of its largest object."""

    image: np.ndarray
    instances: list[Instance]
    label: int

    def index_mask(self) -> np.ndarray:
        """Return the semantic mask `(H, W)` uint8: 0 is background, class `i` is `i + 1`."""
        index = np.zeros(self.image.shape[:2], np.uint8)
        for instance in self.instances:
            index[instance.mask] = instance.label + 1
        return index


@dataclass
class _Sprite:
    """An anti-aliased shape: `alpha` `(h, w)` in 0..1 with its top-left corner in the image."""

    label: int
    alpha: np.ndarray
    x: int
    y: int

    def on_canvas(self, size: int) -> np.ndarray:
        canvas = np.zeros((size, size), np.float32)
        height, width = self.alpha.shape
        canvas[self.y : self.y + height, self.x : self.x + width] = self.alpha
        return canvas


def _value_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Sum octaves whose amplitude falls with frequency (about 1/f): `(size, size)` float32."""
    field = np.zeros((size, size), np.float32)
    cells = int(rng.integers(2, 5))
    while cells < size / 2:
        grid = rng.standard_normal((cells + 1, cells + 1), dtype=np.float32)
        field += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) / cells
        cells *= 2
    return field


def _ramp(size: int, angle: float) -> np.ndarray:
    """Return the distance of every pixel along a direction, `(size, size)` float32."""
    line = np.arange(size, dtype=np.float32)
    return line * np.float32(np.cos(angle)) + (line * np.float32(np.sin(angle)))[:, None]


def _stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    angle, frequency = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(6, 24)
    return np.sin(frequency * (_ramp(size, angle) + 4.0 * _value_noise(rng, size)))


def _gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    return _ramp(size, rng.uniform(0, 2 * np.pi))


def _spots(rng: np.random.Generator, size: int) -> np.ndarray:
    frequency, angle = 2 * np.pi / rng.uniform(8, 24), rng.uniform(0, np.pi)
    return np.cos(frequency * _ramp(size, angle)) * np.cos(frequency * _ramp(size, angle + 1.2))


_TEXTURES = (_value_noise, _value_noise, _stripes, _gradient, _spots)


def _surface(rng: np.random.Generator, size: int, colour: np.ndarray) -> np.ndarray:
    """Return a textured surface `(size, size, 3)` float32 around the BGR `colour`."""
    texture = _TEXTURES[rng.integers(len(_TEXTURES))](rng, size)
    texture = texture + 0.6 * texture.std() * _value_noise(rng, size)
    texture = (texture - texture.mean()) / (texture.std() + 1e-6)
    direction = rng.normal(size=3) + 1.5 * rng.choice([-1, 1])  # mostly light against dark
    direction *= 0.5 * DIFFICULTY["surface_range"] / np.linalg.norm(direction)
    np.clip(texture, -2, 2, out=texture)
    return texture[..., None] * direction.astype(np.float32) + colour.astype(np.float32)


def _pick_colour(rng: np.random.Generator, away_from: np.ndarray | None = None) -> np.ndarray:
    while True:
        colour = rng.uniform(30, 225, size=3)
        if away_from is None or np.linalg.norm(colour - away_from) > DIFFICULTY["min_contrast"]:
            return colour


def _random_turn(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _make_sprite(rng: np.random.Generator, label: int, size_px: float, image_size: int) -> _Sprite:
    """Rotate, squeeze and scale an outline to a longest box side of `size_px`; place it."""
    # The first turn makes the squeezed axis another one than the shape's own.
    squeeze = np.diag([1.0, rng.uniform(*DIFFICULTY["squeeze"])])
    matrix = _random_turn(rng) @ squeeze @ _random_turn(rng)
    contours = [points @ matrix.T for points in _OUTLINES[CLASSES[label]]]
    low, high = contours[0].min(axis=0), contours[0].max(axis=0)
    scale = size_px / (high - low).max()
    width, height = np.ceil((high - low) * scale).astype(int) + 2
    canvas = np.zeros((height * _SUPERSAMPLE, width * _SUPERSAMPLE), np.uint8)
    to_fixed = _SUPERSAMPLE * 2**_SHIFT
    fixed = [np.round(((c - low) * scale + 1) * to_fixed).astype(np.int32) for c in contours]
    cv2.fillPoly(canvas, fixed, 255, lineType=cv2.LINE_8, shift=_SHIFT)
    alpha = cv2.resize(canvas, (int(width), int(height)), interpolation=cv2.INTER_AREA) / 255.0
    x = int(rng.integers(0, image_size - width + 1))
    y = int(rng.integers(0, image_size - height + 1))
    return _Sprite(label, alpha.astype(np.float32), x, y)


def _place(rng: np.random.Generator, label: int, size: int) -> tuple[list[_Sprite], list[Instance]]:
    """Place sprites from the top one (the main object, always whole) downwards."""
    sprites: list[_Sprite] = []
    instances: list[Instance] = []
    occupied = np.zeros((size, size), bool)
    low, high = DIFFICULTY["num_objects"]
    for position in range(int(rng.integers(low, high + 1))):
        name = "main_size" if position == 0 else "other_size"
        for _ in range(20):
            size_px = rng.uniform(*DIFFICULTY[name]) * size
            sprite = _make_sprite(rng, label, size_px, size)
            whole = sprite.on_canvas(size) >= 0.5
            visible = whole & ~occupied
            if visible.sum() >= DIFFICULTY["min_visible"] * whole.sum():
                sprites.append(sprite)
                instances.append(Instance(label, visible))
                occupied |= whole
                break
        label = int(rng.integers(len(CLASSES)))
    return sprites, instances


def _draw_distractors(rng: np.random.Generator, image: np.ndarray) -> None:
    size = image.shape[0]
    low, high = DIFFICULTY["num_distractors"]
    for _ in range(int(rng.integers(low, high + 1))):
        layer = np.zeros((size, size), np.uint8)
        x, y = rng.uniform(0, size, size=2)
        if rng.random() < 0.6:
            steps = rng.normal(0, 0.12 * size, size=(4, 2)).cumsum(axis=0) + np.array([x, y])
            cv2.polylines(layer, [steps.astype(np.int32)], False, 255, 1, cv2.LINE_AA)
            layer = cv2.GaussianBlur(layer, (3, 3), 0)
        else:
            cv2.circle(layer, (int(x), int(y)), int(rng.uniform(0.02, 0.05) * size), 255, -1)
            layer = cv2.GaussianBlur(layer, (0, 0), 0.02 * size)
        weight = layer[..., None] * np.float32(rng.uniform(0.4, 0.9) / 255)
        image += weight * (_pick_colour(rng).astype(np.float32) - image)


def _draw_sprite(
    rng: np.random.Generator, image: np.ndarray, sprite: _Sprite, background: np.ndarray
) -> None:
    """Blend a sprite with a soft shadow under it and a rim that is darker than its face."""
    size = image.shape[0]
    margin = max(2, size // 24)  # room for the shadow
    x, y = max(sprite.x - margin, 0), max(sprite.y - margin, 0)
    height, width = sprite.alpha.shape
    window = (slice(y, sprite.y + height + margin), slice(x, sprite.x + width + margin))
    region = image[window]
    alpha = sprite.on_canvas(size)[window]
    blur = cv2.GaussianBlur(alpha, (0, 0), 0.012 * size)
    shadow = np.roll(blur, (max(1, size // 96), max(1, size // 96)), axis=(0, 1))
    region *= 1 - 0.35 * shadow[..., None]
    face = _surface(rng, max(alpha.shape), _pick_colour(rng, away_from=background))
    face = face[: alpha.shape[0], : alpha.shape[1]]
    shade = 0.65 + 0.35 * np.clip(2 * blur - 0.8, 0, 1)
    region += alpha[..., None] * (face * shade[..., None] - region)


def render_scene(rng: np.random.Generator, label: int, size: int) -> Scene:
    """Draw one scene.

    Args:
        rng: Source of every choice; equal generators give equal scenes.
        label: Class of the largest object, which is also the label of the scene.
        size: Side of the square image, in pixels.

    Returns:
        The picture with its objects; the first one is the largest and lies on top.
    """
    background = _pick_colour(rng)
    image = _surface(rng, size, background)
    _draw_distractors(rng, image)
    sprites, instances = _place(rng, label, size)
    for sprite in reversed(sprites):
        _draw_sprite(rng, image, sprite, background)
    light = 1 + 0.15 * cv2.resize(rng.uniform(-1, 1, size=(2, 2)).astype(np.float32), (size, size))
    image *= light[..., None]
    image += DIFFICULTY["noise_sigma"] * rng.standard_normal(image.shape, dtype=np.float32)
    return Scene(np.clip(np.round(image), 0, 255).astype(np.uint8), instances, label)
