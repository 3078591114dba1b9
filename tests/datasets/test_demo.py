import hashlib
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hotcoco import COCO as FastCOCO
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import DEMO_CLASSES, make_demo
from mnv4_vision.datasets.demo import make as demo

SMALL = {"train": 20, "val": 10, "image_size": 160}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return make_demo(tmp_path_factory.mktemp("data") / "demo", **SMALL)


@pytest.fixture(scope="module")
def coco(root) -> COCO:
    return COCO(root / "annotations" / "instances_train.json")


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def index_mask(root: Path, image: dict) -> np.ndarray:
    path = root / "masks" / "train" / f"{Path(image['file_name']).stem}.png"
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_equal_seeds_give_equal_files(root, tmp_path):
    assert digest(make_demo(tmp_path / "again", **SMALL)) == digest(root)


def test_another_seed_gives_other_pictures(root, tmp_path):
    other = digest(make_demo(tmp_path / "other", **SMALL, seed=1))
    mine = digest(root)
    pictures = [name for name in mine if name.endswith(".jpg")]
    assert len(pictures) == 30
    assert all(mine[name] != other[name] for name in pictures)


def test_no_picture_occurs_twice(root):
    hashes = [value for name, value in digest(root).items() if name.endswith(".jpg")]
    assert len(set(hashes)) == 30


def test_second_call_writes_nothing(root, monkeypatch):
    monkeypatch.setattr(demo, "_build", lambda *_: pytest.fail("generated again"))
    assert make_demo(root, **SMALL) == root


def test_other_parameters_replace_the_set(tmp_path):
    root = tmp_path / "demo"
    make_demo(root, train=3, val=1, image_size=64)
    make_demo(root, train=2, val=1, image_size=64)
    assert len(list((root / "train").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_another_difficulty_makes_the_set_anew(tmp_path, monkeypatch):
    root = tmp_path / "demo"
    make_demo(root, train=4, val=1, image_size=64)
    before = digest(root)
    monkeypatch.setitem(demo.DIFFICULTY, "num_objects", (1, 1))
    make_demo(root, train=4, val=1, image_size=64)
    content = json.loads((root / "annotations" / "instances_train.json").read_text())
    assert len(content["annotations"]) == 4
    assert digest(root) != before


def test_interruption_leaves_the_old_set_and_no_litter(tmp_path, monkeypatch):
    root = make_demo(tmp_path / "demo", train=2, val=1, image_size=64)
    before = digest(root)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_write_labels", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_demo(root, train=3, val=1, image_size=64)
    assert digest(root) == before
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_two_processes_at_once_agree(tmp_path, monkeypatch):
    root, parameters = tmp_path / "demo", {"train": 2, "val": 1, "image_size": 64}
    write_labels = demo._write_labels

    def other_process_finishes_first(fresh):
        monkeypatch.setattr(demo, "_write_labels", write_labels)
        make_demo(root, **parameters)
        (root / "first").touch()
        write_labels(fresh)

    monkeypatch.setattr(demo, "_write_labels", other_process_finishes_first)
    make_demo(root, **parameters)
    assert (root / "first").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_unwritable_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write the demo data to"):
        make_demo(tmp_path / "file" / "demo", **SMALL)


def test_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"not empty and holds no demo data"):
        make_demo(tmp_path, **SMALL)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"train": 0}, "train is 0"),
        ({"image_size": 16}, "image size is 16, allowed are 64 to 2048"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_parameters(tmp_path, parameters, message):
    with pytest.raises(InputError, match=message):
        make_demo(tmp_path / "demo", **{**SMALL, **parameters})
    assert not (tmp_path / "demo").exists()


def test_boxes_and_areas_are_those_of_the_masks(coco):
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation).astype(bool)
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        extent = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.abs(np.subtract(extent, (x, y, x + width, y + height))).max() <= 1
        # Polygons have straight edges where the mask has steps.
        assert mask.sum() == pytest.approx(annotation["area"], rel=0.03, abs=4)


def test_holes_are_run_lengths_and_exact(coco, root):
    with_holes = [a for a in coco.anns.values() if isinstance(a["segmentation"], dict)]
    assert with_holes
    for annotation in with_holes:
        mask = coco.annToMask(annotation).astype(bool)
        index = index_mask(root, coco.imgs[annotation["image_id"]])
        assert mask.sum() == annotation["area"]
        assert (index[mask] == annotation["category_id"]).all()


def test_index_masks_are_the_union_of_the_instances(coco, root):
    for image in coco.imgs.values():
        index = index_mask(root, image)
        assert index.shape == (image["height"], image["width"])
        annotations = coco.imgToAnns[image["id"]]
        expected = Counter()
        for annotation in annotations:
            expected[annotation["category_id"]] += annotation["area"]
        values, counts = np.unique(index[index > 0], return_counts=True)
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == dict(expected)


def test_label_is_the_class_of_the_largest_box(coco, root):
    rows = (root / "labels.csv").read_text().splitlines()
    assert rows[0] == "file_name,label"
    labels = dict(row.split(",") for row in rows[1:])
    assert len(labels) == 30
    for image in coco.imgs.values():
        largest = max(coco.imgToAnns[image["id"]], key=lambda a: a["bbox"][2] * a["bbox"][3])
        name = coco.cats[largest["category_id"]]["name"]
        assert image["label"] == labels[f"train/{image['file_name']}"] == name
    assert set(labels.values()) == set(DEMO_CLASSES)


def test_colour_does_not_give_the_class_away(tmp_path):
    """A nearest-mean classifier on each object's mean colour stays near chance (0.2)."""
    root = make_demo(tmp_path / "demo", train=120, val=1, image_size=96)
    coco = COCO(root / "annotations" / "instances_train.json")
    colours, classes = [], []
    for annotation in coco.anns.values():
        image = cv2.imread(str(root / "train" / coco.imgs[annotation["image_id"]]["file_name"]))
        colours.append(image[coco.annToMask(annotation).astype(bool)].mean(axis=0))
        classes.append(annotation["category_id"])
    colours, classes = np.array(colours), np.array(classes)
    means = np.stack([colours[classes == c].mean(axis=0) for c in np.unique(classes)])
    nearest = np.linalg.norm(colours[:, None] - means, axis=2).argmin(axis=1) + 1
    assert (nearest == classes).mean() < 0.35


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ground_truth_as_detections_scores_one(coco, kind, capsys):
    detections = [
        {
            "image_id": annotation["image_id"],
            "category_id": annotation["category_id"],
            "bbox": annotation["bbox"],
            "segmentation": coco.annToRLE(annotation),
            "score": 0.9,
        }
        for annotation in coco.anns.values()
    ]
    evaluation = COCOeval(coco, coco.loadRes(detections), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == 1.0


def test_the_fast_evaluator_reads_it(root):
    path = root / "annotations" / "instances_val.json"
    assert len(FastCOCO(str(path)).get_ann_ids()) == len(
        json.loads(path.read_text())["annotations"]
    )
