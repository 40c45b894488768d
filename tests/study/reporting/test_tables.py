"""Tables as the page's template writes them."""

from html.parser import HTMLParser

from jinja2 import Environment, PackageLoader

from study.reporting.tables import Cell, Line, Table, texts


class Cells(HTMLParser):
    """Collects what stands in the cells, with their attributes."""

    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, dict, str]] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self.found.append((tag, dict(attrs), ""))

    def handle_data(self, data):
        if self.found and data.strip():
            tag, attrs, text = self.found[-1]
            self.found[-1] = (tag, attrs, text + data)


def written(table, *, sortable=False):
    page = Environment(loader=PackageLoader("study.reporting"), autoescape=True)
    source = "{% from 'macros.html' import table %}{{ table(t, sortable=sortable) }}"
    cells = Cells()
    cells.feed(page.from_string(source).render(t=table, sortable=sortable))
    return cells.found


def test_plain_text_is_escaped_and_nothing_is_added():
    assert texts(["a", "b"]) == [Cell("a"), Cell("b")]
    found = written(Table(texts(["head"]), [Line(texts(["<b> & 'c'"]))]))
    assert found == [("th", {}, "head"), ("td", {}, "<b> & 'c'")]


def test_numbers_carry_what_they_are_sorted_by():
    (_, *cells) = written(Table(texts(["x"]), [Line([Cell("0.5", 0.51234, "n"), Cell("", 0, small="2×")])]))
    assert cells[0] == ("td", {"class": "n", "data-k": "0.51234"}, "0.5")
    assert cells[1] == ("td", {"data-k": "0"}, "2×"), "a key of 0 is a key"


def test_a_group_is_a_heading_over_all_columns():
    table = Table(texts(["a", "b", "c"]), [Line([Cell("Shapes")], "group"), Line(texts("123"))])
    found = written(table)
    assert found[3] == ("th", {"colspan": "3"}, "Shapes") and [text for *_, text in found[4:]] == ["1", "2", "3"]
