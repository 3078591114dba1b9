import json
import shutil

import numpy as np
import pytest
from format_samples import PICTURES, boxes_of, message_of, voc_xml, write_image, write_voc

from mnv4_vision.datasets import LoadImage, find_data


def write_folders(root, val_folder: str = "valid"):
    """The same set with the .xml files beside the images."""
    write_voc(root / "devkit")
    for stem, folder in (("a", "train"), ("b", val_folder)):
        (root / folder).mkdir()
        shutil.move(root / "devkit" / "Annotations" / f"{stem}.xml", root / folder)
        shutil.move(root / "devkit" / "JPEGImages" / f"{stem}.jpg", root / folder)
    shutil.rmtree(root / "devkit")
    return root


def test_boxes_are_one_based_with_both_ends_included(tmp_path):
    layout = find_data(write_voc(tmp_path))
    assert layout.format == "voc"
    assert layout.classes == ("dog", "cat")
    assert layout.train_images == layout.val_images == tmp_path / "JPEGImages"
    assert boxes_of(layout.train_ann) == PICTURES["train"]
    assert boxes_of(layout.val_ann) == PICTURES["val"]


def test_records_name_the_users_files(tmp_path):
    content = json.loads(find_data(write_voc(tmp_path)).train_ann.read_text())
    assert content["images"][0]["source"] == "Annotations/a.xml"
    assert content["annotations"][1]["source"] == "Annotations/a.xml: object 2 (cat)"


@pytest.mark.parametrize("home", ["VOC2012", "VOCdevkit/VOC2007"])
def test_devkit_folders(tmp_path, home):
    write_voc(tmp_path / home)
    assert find_data(tmp_path).train_images == tmp_path / home / "JPEGImages"


def test_two_devkit_years_are_refused(tmp_path):
    write_voc(tmp_path / "VOC2007")
    write_voc(tmp_path / "VOC2012")
    assert "several VOC sets (VOC2007, VOC2012)" in message_of(tmp_path)


@pytest.mark.parametrize("val_folder", ["val", "valid", "validation"])
def test_xml_beside_the_images(tmp_path, val_folder):
    layout = find_data(write_folders(tmp_path, val_folder))
    assert layout.val_images == tmp_path / val_folder
    assert layout.classes == ("cat", "dog")  # sorted, as there is no class file
    assert boxes_of(layout.train_ann) == PICTURES["train"]


def test_image_without_xml_is_left_out_with_a_warning(tmp_path):
    write_folders(tmp_path)
    write_image(tmp_path / "train" / "c.jpg", (8, 8))
    layout = find_data(tmp_path)
    assert set(boxes_of(layout.train_ann)) == {"a.jpg"}
    assert "images without an .xml left out: 1" in layout.warnings[0]
    assert "c.jpg" in layout.describe(tmp_path)


def test_trainval_and_test_serve_as_train_and_val(tmp_path):
    write_voc(tmp_path)
    sets = tmp_path / "ImageSets" / "Main"
    (sets / "train.txt").rename(sets / "trainval.txt")
    (sets / "val.txt").rename(sets / "test.txt")
    layout = find_data(tmp_path)
    assert "trainval + test" in layout.name
    assert boxes_of(layout.val_ann) == PICTURES["val"]


def test_coordinates_below_one_mean_zero_based(tmp_path):
    write_voc(tmp_path)
    xml = tmp_path / "Annotations" / "a.xml"
    xml.write_text(voc_xml((40, 30), [("dog", (-1, 4.5, 11, 5))]))  # written as 0, 5.5 to 10, 9.5
    layout = find_data(tmp_path)
    assert boxes_of(layout.train_ann)["a.jpg"][1] == [("dog", (0, 5.5, 10, 4))]
    assert boxes_of(layout.val_ann)["b.jpg"][1] == [("cat", (6, 11, 9, 24))]
    assert "a.xml: object 1 (dog)" in layout.warnings[0]


def test_flags_stay_and_difficult_objects_are_ordinary(tmp_path):
    write_voc(tmp_path)
    extra = "<difficult>1</difficult><truncated>0</truncated>"
    xml = voc_xml((40, 30), [("dog", (4, 3, 20, 12))], extra)
    (tmp_path / "Annotations" / "a.xml").write_text(xml)
    (annotation,) = json.loads(find_data(tmp_path).train_ann.read_text())["annotations"]
    assert (annotation["difficult"], annotation["iscrowd"]) == (1, 0)
    assert not {"truncated", "ignore"} & set(annotation)


def test_image_header_counts_where_size_is_missing(tmp_path):
    write_voc(tmp_path)
    xml = tmp_path / "Annotations" / "b.xml"
    xml.write_text(xml.read_text().replace("<width>20<", "<width>0<"))
    assert boxes_of(find_data(tmp_path).val_ann) == PICTURES["val"]


def test_size_of_the_picture_turned_by_exif_or_not(tmp_path):
    from PIL import Image

    write_voc(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn: 20x50 is shown as 50x20
    path = tmp_path / "JPEGImages" / "b.jpg"
    Image.fromarray(np.zeros((50, 20, 3), np.uint8)).save(path, exif=exif)
    xml = tmp_path / "Annotations" / "b.xml"
    for size in ((20, 50), (50, 20)):
        xml.write_text(voc_xml(size, [("cat", (5, 1, 10, 15))]))
        layout = find_data(tmp_path)
        assert boxes_of(layout.val_ann)["b.jpg"][0] == size
        sample = dict(img_path=str(path), width=size[0], height=size[1])
        assert LoadImage()(sample)["img"].shape[:2] == size[::-1]
    xml.write_text(voc_xml((20, 51), [("cat", (5, 1, 10, 15))]))
    assert "b.xml: <size> says 20x51" in message_of(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</annotation>", "", "broken XML, no element found: line 1"),
        ("<object>", "<objekt>", "broken XML, mismatched tag: line 1"),
        ("<annotation>", "<annotation>\x01", "broken XML, not well-formed"),
        ("<annotation>", "<?xml version='1.0' encoding='none'?><annotation>", "broken XML"),
        ("annotation>", "tree>", "the root is <tree>, VOC files have <annotation>"),
        (
            "<annotation>",
            '<!DOCTYPE a [<!ENTITY b "c">]><annotation>',
            "has a DOCTYPE or ENTITY, which VOC files do not need",
        ),
        ("<name>cat</name>", "", "a.xml: object 2 has no <name>"),
        ("<name>cat</name>", "<name> </name>", "a.xml: object 2 has no <name>"),
        ("<name>cat<", "<name>cta<", "object 2 (cta): the class is not in"),
        ("<xmax>24</xmax>", "", "object 1 (dog): <bndbox> has no <xmax>"),
        (">24<", ">wide<", "object 1 (dog): xmax is 'wide', it must be a number of pixels"),
        (">24<", ">nan<", "object 1 (dog): xmax is 'nan'"),
        (">24<", ">1e400<", "object 1 (dog): xmax is '1e400'"),
        ("bndbox>", "polygon>", "object 1 (dog) has no <bndbox>"),
        ("<width>40<", "<width>x<", "width is 'x'"),
        ("<width>40<", "<width>41<", "<size> says 41x30"),
    ],
)
def test_bad_xml(tmp_path, old, new, message):
    xml = write_voc(tmp_path) / "Annotations" / "a.xml"
    text = xml.read_text()
    assert old in text
    xml.write_text(text.replace(old, new))
    found = message_of(tmp_path)
    assert message in found
    assert str(xml) in found


def test_entity_bomb_in_utf16(tmp_path):
    xml = write_voc(tmp_path) / "Annotations" / "a.xml"
    xml.write_bytes('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'.encode("utf-16"))
    assert "has a DOCTYPE or ENTITY" in message_of(tmp_path)


def test_several_bad_files_are_counted(tmp_path):
    write_folders(tmp_path)
    write_image(tmp_path / "train" / "c.jpg", (8, 8))
    for stem in ("a", "c"):
        (tmp_path / "train" / f"{stem}.xml").write_text("<annotation>")
    assert message_of(tmp_path).endswith("(1 more bad files: train/c.xml)")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c\n", "train.txt:2: {root}/Annotations/c.xml does not exist"),
        ("../a\n", "train.txt:2: '../a' leaves the folder"),
        ("a\n", "train.txt:2: 'a' is listed twice"),
        ("\xff\n", "train.txt is not UTF-8 text (byte 2)"),
    ],
)
def test_bad_image_set(tmp_path, line, message):
    path = write_voc(tmp_path) / "ImageSets" / "Main" / "train.txt"
    path.write_bytes(b"a\n" + line.encode("latin-1"))
    assert message.format(root=tmp_path) in message_of(tmp_path)


def test_image_set_for_testing_needs_no_annotations(tmp_path):
    (write_voc(tmp_path) / "ImageSets" / "Main" / "test.txt").write_text("c\n")
    assert find_data(tmp_path).name == "VOC: train + val in ImageSets/Main"


def test_missing_image(tmp_path):
    (write_voc(tmp_path) / "JPEGImages" / "a.jpg").unlink()
    assert "train.txt:1: no image a.* in" in message_of(tmp_path)


def test_two_images_for_one_xml(tmp_path):
    write_image(write_voc(tmp_path) / "JPEGImages" / "a.png", (40, 30))
    assert "a.png share one annotation file, 'a': rename one" in message_of(tmp_path)


def test_set_without_splits_points_to_split(tmp_path):
    shutil.rmtree(write_voc(tmp_path) / "ImageSets")
    assert f"`python tools/data.py split {tmp_path} --out DIR`" in message_of(tmp_path)
