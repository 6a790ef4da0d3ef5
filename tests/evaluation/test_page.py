"""The verb on the terminal, as JSON, and as a page."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from indexer import BuildOptions, Library
from tests.conftest import MakePicture, Run

EVIL = "<img src=x onerror=alert(1)>&\u202e.png"
EVIL_SPACE = '"><script>x</script>[red]'
LOADING = ("src", "srcset", "href", "xlink:href", "data", "action")


class Parsed(HTMLParser):
    """Tags with their attributes, and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    file = tmp_path / "captions.tsv"
    file.write_text("filename\tcaption\nred/0.png\tred\ngreen/1.png\tgreen\nblue/0.png\tred\n")
    return file


def test_the_table_shows_figures_with_intervals(
    known: Library, glimpse: Run, captions: Path
) -> None:
    ran = glimpse("eval", "--captions", captions, "--no-speed")
    lines = ran.stdout.decode().splitlines()
    assert lines[0] == "space tiny (tiny), 12 photos"
    row = next(line for line in lines if "recall@10" in line)
    assert row.split() == ["recall@10", "1.000", "1.000", "to", "1.000", "2"]


def test_json_is_one_object(known: Library, glimpse: Run) -> None:
    ran = glimpse("eval", "--labels", "folders", "--template", "{}", "--no-speed", "--json")
    found = json.loads(ran.stdout)
    assert (found["photos"], found["seed"], found["comparison"]) == (12, 0, [])
    (space,) = found["spaces"]
    task = space["tasks"]["image_to_image"]
    assert task["figures"]["recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert (task["queries"], task["recall_curve"]["1"]) == (12, 1.0)
    assert space["tasks"]["zero_shot"]["figures"]["accuracy@1"]["value"] == 1


def test_two_spaces_stand_side_by_side(
    known: Library, glimpse: Run, photos: Path, captions: Path
) -> None:
    known.build([photos], BuildOptions(model="tiny", space="twin"))
    ran = glimpse("eval", "--captions", captions, "--no-speed", "--against", "twin")
    heads, *rows = ran.stdout.decode().split("side by side")[1].strip().splitlines()
    assert heads.split()[1:4] == ["tiny", "twin", "difference"]
    assert rows[0].split()[3:] == [
        *("recall@1", "0.500", "0.500", "+0.000", "+0.000", "to", "+0.000"),
        *("cannot", "be", "told"),
    ]


def test_a_page_stands_alone_and_a_name_in_it_is_only_text(
    known: Library, glimpse: Run, photos: Path, captions: Path, picture: MakePicture, tmp_path: Path
) -> None:
    picture(f"red/{EVIL}", "red", mark=999)
    known.build([photos])
    known.build([photos], BuildOptions(model="tiny", space=EVIL_SPACE))
    (photos / "green/1.png").unlink()
    with captions.open("a") as file:
        file.write("red/1.png\t<b onclick=x>red</b>\n")
    options = ("--no-speed", "--against", EVIL_SPACE, "--report", "page.html")
    ran = glimpse("eval", "--captions", captions, *options)
    assert ran.returncode == 0
    assert ran.stdout.decode().count(EVIL_SPACE) == 2  # as a title and as a head
    page = Parsed((tmp_path / "page.html").read_text())
    named = [
        value or ""
        for _, attributes in page.tags
        for key, value in attributes.items()
        if key in LOADING
    ]
    assert len(named) > 10
    assert all(value.startswith("data:image/jpeg;base64,") for value in named)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    for shown in (
        "<img src=x onerror=alert(1)>&\\u202e.png",
        "<b onclick=x>red</b>",
        "✓ right",
        "(not shown: ",
    ):
        assert shown in page.text


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--labels", "nowhere.csv"], 2, "nowhere.csv cannot be read"),
        (["--report", "missing/page.html"], 2, "no page can be written to missing/page.html"),
        (["--report", "."], 2, "no page can be written to ."),
        (["--space", "tinny"], 2, "did you mean tiny"),
        (["--library", "missing"], 4, "no library at missing"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    known: Library, glimpse: Run, arguments: list[str], code: int, complaint: str
) -> None:
    ran = glimpse("eval", *arguments)
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith("glimpse: ")
    assert complaint in line
    assert (ran.returncode, ran.stdout) == (code, b"")
