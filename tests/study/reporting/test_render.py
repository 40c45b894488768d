"""Every text on a page is escaped, whoever wrote it."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from jinja2 import Environment, PackageLoader
from PIL import Image

from study.reporting.render import file_uri, png_uri
from study.reporting.tables import Cell, Line, Table


def table(*cells: Cell, css: str = "", sortable: bool = False) -> str:
    environment = Environment(loader=PackageLoader("study.reporting"), autoescape=True)
    module = environment.get_template("macros.html").module
    return module.table(Table([Cell("<head>")] * len(cells), [Line(cells, css)]), sortable)


def test_cells_are_escaped_in_every_place():
    text = table(Cell("<text>", key='"key', small="<small>"), sortable=True)
    for raw in ("<text>", '""key"', "<small><", "<head>"):
        assert raw not in text
    assert '<td data-k="&#34;key">&lt;text&gt; <small>&lt;small&gt;</small></td>' in text


def test_a_group_is_a_heading_over_all_columns():
    assert "<tr class='group'><th colspan='2'>Shapes</th></tr>" in table(Cell("Shapes"), Cell(""), css="group")


def test_pictures_become_part_of_the_page(tmp_path):
    import base64

    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    uri = png_uri(image)
    assert uri.startswith("data:image/png;base64,")
    found = np.asarray(Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))))
    assert np.array_equal(found, image)
    assert file_uri(tmp_path / "absent.png") is None
