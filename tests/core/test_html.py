"""A page shows what it was given, and nothing in it is read as markup."""

from html.parser import HTMLParser

import pytest

from mnv4_vision.core.html import Page

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


class Collector(HTMLParser):
    """Texts of the body and attributes of all tags."""

    def __init__(self, content):
        super().__init__()
        self.texts, self.tags = [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def write(page, tmp_path):
    page.write(tmp_path / "page.html")
    return Collector((tmp_path / "page.html").read_text(encoding="utf-8"))


def test_nothing_given_becomes_markup(tmp_path):
    evil = "<img src=x onerror=\"alert('1')\"> & </script>"
    page = Page(evil)
    page.heading(evil)
    page.text(evil)
    page.table([evil], [[evil]])
    page.image(PNG, evil)
    seen = write(page, tmp_path)
    assert seen.texts.count(evil) == 7  # title, h1, h2, p, th, td, caption
    images = [attributes for tag, attributes in seen.tags if tag == "img"]
    assert len(images) == 1
    assert images[0]["alt"] == evil


def test_page_needs_no_other_file(tmp_path):
    page = Page("a")
    page.image(PNG, "b", width=120)
    page.image(b"\xff\xd8\xff\xe0", "c")
    seen = write(page, tmp_path)
    sources = [a["src"] for _, a in seen.tags if "src" in a]
    assert [s.partition(";")[0] for s in sources] == ["data:image/png", "data:image/jpeg"]
    assert not [a for _, a in seen.tags if "href" in a]
    assert [a["width"] for tag, a in seen.tags if tag == "img" and "width" in a] == ["120"]


def test_tables_show_numbers_to_three_decimals_and_gaps(tmp_path):
    page = Page("a")
    page.table(("class", "AP", "boxes"), [("cat", 0.12345, 7), ("dog", None, 0)])
    page.table(("none",), [])
    seen = write(page, tmp_path)
    cells = [text for text in seen.texts if text.strip()]
    assert cells[cells.index("cat") :][:6] == ["cat", "0.123", "7", "dog", "-", "0"]
    classes = [a.get("class") for tag, a in seen.tags if tag == "th"]
    assert classes == [None, "number", "number", None]


def test_other_pictures_and_uneven_rows_are_refused():
    page = Page("a")
    with pytest.raises(ValueError, match="PNG or JPEG"):
        page.image(b"GIF89a")
    with pytest.raises(ValueError, match="zip"):
        page.table(("a", "b"), [("only one",)])


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path):
    page = Page("a")
    page.text("file \udce9.jpg")  # a name in Latin-1, as Python reads it from a folder
    assert any("file ?.jpg" in text for text in write(page, tmp_path).texts)
