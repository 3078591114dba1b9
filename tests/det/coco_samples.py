"""Random annotations and detections that the tests of evaluation and metric share."""

import numpy as np


def make_set(
    seed: int,
    *,
    num_images: int = 30,
    num_classes: int = 3,
    crowds: bool = True,
    area: bool = True,
) -> dict:
    """Random annotations; image ids in no order, category ids with gaps and unsorted."""
    rng = np.random.default_rng(seed)
    categories = [{"id": i, "name": name} for i, name in ((7, "cat"), (2, "dog"), (40, "owl"))]
    categories += [{"id": 100 + i, "name": f"kind {i}"} for i in range(num_classes - 3)]
    ids = [category["id"] for category in categories]
    images = [
        {"id": int(i), "file_name": f"{i}.jpg", "width": 640, "height": 480}
        for i in rng.permutation(num_images * 3)[:num_images]
    ]
    annotations = []
    for image in images[: num_images - 4]:  # four images stay empty
        for _ in range(rng.integers(1, 9)):
            box = [*rng.uniform(0, 300, 2), *(10 ** rng.uniform(0.6, 2.3, 2))]
            annotation = {
                "id": len(annotations),
                "image_id": image["id"],
                "category_id": int(rng.choice(ids)),
                "bbox": [float(v) for v in box],
                "iscrowd": int(crowds and rng.random() < 0.15),
            }
            if area:  # as with masks, not the area of the box
                annotation["area"] = float(box[2] * box[3] * rng.uniform(0.4, 1))
            annotations.append(annotation)
    return {"images": images, "annotations": annotations, "categories": categories}


def make_detections(gt: dict, seed: int, *, decimals: int = 1, copies: int = 4) -> np.ndarray:
    """Noisy copies of the annotations plus noise; rounded scores make many ties."""
    rng = np.random.default_rng(seed)
    rows = []
    for annotation in gt["annotations"]:
        for _ in range(rng.integers(0, copies + 1)):
            box = np.array(annotation["bbox"]) + rng.normal(0, 4, 4)
            label = annotation["category_id"] if rng.random() < 0.8 else 7
            rows.append([annotation["image_id"], *box[:2], *np.abs(box[2:]), rng.random(), label])
    rows = np.array(rows)
    rows[:, 5] = np.round(rows[:, 5], decimals)
    return rows[rng.permutation(len(rows))]
