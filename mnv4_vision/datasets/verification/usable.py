"""The part of a COCO file that can be drawn and trained on, for looking at data with errors."""

from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets._coco_json import SECTIONS, is_id, read_coco_json
from mnv4_vision.datasets.verification.checks import annotation_fault, box_fault, image_fault

__all__ = ["read_usable", "usable_content"]


def read_usable(ann_file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Read a COCO file; return its usable content and how many records each section lost.

    Raises:
        InputError: It is no COCO file, or has a section without a usable record.
    """
    content = read_coco_json(ann_file)
    usable = usable_content(content)
    empty = [section for section in SECTIONS if not usable[section]]
    if empty:
        raise InputError(
            f"{ann_file}: none of its {len(content[empty[0]])} {empty[0]} can be used; "
            "`python tools/data.py verify` says why"
        )
    return usable, {section: len(content[section]) - len(usable[section]) for section in SECTIONS}


def usable_content(content: dict[str, Any]) -> dict[str, Any]:
    """Return the three sections without broken records.

    Left out is what repeats an id or a class name, lacks what it refers to, or has a box that mmdet
    drops. `content` stays as it is.
    """
    categories = _categories(content["categories"])
    images: dict[int, dict[str, Any]] = {}
    for image in content["images"]:
        if image_fault(image) is None:
            images.setdefault(image["id"], image)
    annotations: dict[int, dict[str, Any]] = {}
    for annotation in content["annotations"]:
        if annotation_fault(annotation) is None and annotation["category_id"] in categories:
            image = images.get(annotation["image_id"])
            if image is not None and box_fault(annotation, image) is None:
                annotations.setdefault(annotation["id"], annotation)
    sections = {"images": images, "annotations": annotations, "categories": categories}
    return {section: list(records.values()) for section, records in sections.items()}


def _categories(records: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    names: set[str] = set()
    for category in records:
        category_id, name = category.get("id"), category.get("name")
        if is_id(category_id) and isinstance(name, str) and name not in names:
            names.add(name)
            found.setdefault(category_id, category)
    return found
