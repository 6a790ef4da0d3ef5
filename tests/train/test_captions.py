"""Captions for training, from files, from pictures themselves, and from folders."""

import io
import json
import logging
import os
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from indexer.errors import UsageError
from indexer.terms import MAX_TEXT
from indexer.train.captions import gather

DESCRIPTION, XP_TITLE, XP_KEYWORDS, XMP = 0x010E, 0x9C9B, 0x9C9E, 0x02BC


def picture(path: Path, format: str = "JPEG", **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, format, **options)
    return path


def captions(root: Path, *sources: str | Path, **options: object) -> dict[str, list[str]]:
    """By the end of each picture's path, below its root."""
    paths = sorted(os.fsencode(path) for path in root.rglob("*.*") if path.suffix != ".txt")
    found = gather(paths, list(map(str, sources)), [os.fsencode(root)], **options)  # type: ignore[arg-type]
    names = [os.fsdecode(os.path.relpath(path, os.fsencode(root))) for path in paths]
    return dict(zip(names, found, strict=True))


def exif(**tags: object) -> bytes:
    written = Image.Exif()
    for name, value in tags.items():
        written[globals()[name]] = value
    return written.tobytes()


def packet(title: str = "", description: str = "", subjects: tuple[str, ...] = ()) -> bytes:
    def alt(name: str, text: str) -> str:
        item = f'<rdf:li xml:lang="x-default">{text}</rdf:li><rdf:li xml:lang="de">nein</rdf:li>'
        return f"<dc:{name}><rdf:Alt>{item}</rdf:Alt></dc:{name}>" if text else ""

    bag = "".join(f"<rdf:li>{subject}</rdf:li>" for subject in subjects)
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:lr="http://ns.adobe.com/lightroom/1.0/">
        <rdf:RDF><rdf:Description>{alt("title", title)}{alt("description", description)}
        <dc:subject><rdf:Bag>{bag}</rdf:Bag></dc:subject>
        <lr:hierarchicalSubject><rdf:Bag><rdf:li>people|me</rdf:li></rdf:Bag></lr:hierarchicalSubject>
        </rdf:Description></rdf:RDF></x:xmpmeta>""".encode()


def with_iptc(path: Path, *fields: tuple[int, bytes]) -> Path:
    """A JPEG with an IPTC record as Photoshop keeps it."""
    record = b"".join(
        b"\x1c\x02" + bytes([number]) + len(value).to_bytes(2, "big") + value
        for number, value in fields
    )
    block = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(record).to_bytes(4, "big") + record
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    data = out.getvalue()
    path.write_bytes(
        data[:2] + b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]
    )
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.tsv", 'filename\tcaption\na.jpg\t"Hello", she said\nb.jpg\ta cat\na.jpg\ttwo\n'),
        ("c.tsv", 'filename\tcaption\r\na.jpg\t"""Hello"", she said"\nb.jpg\ta cat\na.jpg\ttwo\n'),
        ("c.csv", 'filename,caption\na.jpg,"""Hello"", she said"\nb.jpg,a cat\na.jpg,two\n'),
        (
            "c.jsonl",
            json.dumps({"file_name": "a.jpg", "text": ['"Hello", she said', "two"]})
            + '\n{"filename": "b.jpg", "caption": "a cat"}\n',
        ),
    ],
)
def test_files_give_captions_by_name(tmp_path: Path, name: str, text: str) -> None:
    root = tmp_path / "root"
    for each in ("a", "b", "c"):
        picture(root / f"{each}.jpg")
    (tmp_path / name).write_text(text, newline="")
    assert captions(root, tmp_path / name) == {
        "a.jpg": ['"Hello", she said', "two"],
        "b.jpg": ["a cat"],
        "c.jpg": [],
    }


def test_a_name_that_fits_several_pictures_is_left_out_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "root"
    picture(root / "x/a.jpg")
    picture(root / "y/a.jpg")
    (tmp_path / "c.tsv").write_text("filename\tcaption\na.jpg\tone\nx/a.jpg\ttwo\n")
    assert captions(root, tmp_path / "c.tsv") == {"x/a.jpg": ["two"], "y/a.jpg": []}
    assert "1 file names fit several pictures" in caplog.text


def test_a_text_beside_a_picture_has_a_caption_a_line(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("\ufeffa red ball\n\n  on   the\tlawn \n")
    (tmp_path / "a.jpg.txt").write_bytes(b"caf\xe9\n")
    picture(tmp_path / "b.jpg")
    assert captions(tmp_path, "sidecar") == {
        "a.jpg": ["a red ball", "on the lawn", "caf\N{REPLACEMENT CHARACTER}"],
        "b.jpg": [],
    }


def test_a_text_that_is_huge_a_pipe_or_a_link_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("huge", "pipe", "link", "good"):
        picture(tmp_path / f"{name}.jpg")
    (tmp_path / "good.txt").write_text("a cat")
    (tmp_path / "huge.txt").write_text("word " * 50_000)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "good.txt")
    found = captions(tmp_path, "sidecar")
    assert [name for name, texts in found.items() if texts] == ["good.jpg"]
    assert caplog.text.count("is left out") == 3


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_and_xmp_speak_in_every_format(tmp_path: Path, format: str) -> None:
    windows = {
        "XP_TITLE": "Öl\0".encode("utf-16-le"),
        "XP_KEYWORDS": "sea;sky\0".encode("utf-16-le"),
    }
    written = exif(DESCRIPTION="a boat", **windows)
    options: dict[str, object] = {"xmp": packet("The bay", "at dusk", ("sky", "boat"))}
    if format == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", str(options["xmp"], "utf-8"))  # type: ignore[call-overload]
        options = {"pnginfo": text}
    if format == "TIFF":
        written = exif(DESCRIPTION="a boat", **windows, XMP=options.pop("xmp"))
    picture(tmp_path / "a.pic", format, exif=written, **options)
    expected = ["a boat", "Öl", "The bay", "at dusk", "sea, sky, boat"]
    assert captions(tmp_path, "embedded") == {"a.pic": expected}


def test_iptc_speaks_and_text_in_utf_8_or_latin_1_is_read_as_it_is(tmp_path: Path) -> None:
    fields = [(120, "Ein Käfer".encode()), (105, b"K\xe4fer"), (25, b"beetle"), (25, b"leaf")]
    with_iptc(tmp_path / "a.jpg", *fields)
    picture(tmp_path / "b.jpg", exif=exif(DESCRIPTION="Käfer".encode()))
    assert captions(tmp_path, "embedded") == {
        "a.jpg": ["Käfer", "Ein Käfer", "beetle, leaf"],
        "b.jpg": ["Käfer"],
    }


def test_pictures_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    picture(tmp_path / "good.jpg", exif=exif(DESCRIPTION="a boat"))
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:40])
    os.mkfifo(tmp_path / "pipe.jpg")
    found = captions(tmp_path, "embedded")
    assert found == {"good.jpg": ["a boat"], "text.jpg": [], "cut.jpg": [], "pipe.jpg": []}


def test_the_nearest_folder_that_says_something_is_named(tmp_path: Path) -> None:
    for name in (
        "loose",
        "golden_retriever/a",
        "animals/big_cats/2023-07-14/b",
        "beach/DCIM/100CANON/c",
    ):
        picture(tmp_path / f"{name}.jpg")
    assert captions(tmp_path, "folders", templates=("a photo of a {}.", "{}")) == {
        "loose.jpg": [],
        "golden_retriever/a.jpg": ["a photo of a golden retriever.", "golden retriever"],
        "animals/big_cats/2023-07-14/b.jpg": ["a photo of a big cats.", "big cats"],
        "beach/DCIM/100CANON/c.jpg": ["a photo of a beach.", "beach"],
    }


def test_outside_every_root_the_folder_of_the_picture_itself_counts() -> None:
    roots = [b"/photos", b"/photos/old", b"/pho"]
    paths = [b"/elsewhere/cats/a.jpg", b"/photos/old/dogs/a.jpg", b"/photos/old/a.jpg", b"/a.jpg"]
    found = gather(paths, ["folders"], roots, templates=["{}"])
    assert found == [["cats"], ["dogs"], [], []]


def test_sources_add_up_in_their_order_and_nothing_comes_twice(tmp_path: Path) -> None:
    picture(tmp_path / "cat/a.jpg", exif=exif(DESCRIPTION="a cat"))
    (tmp_path / "cat/a.txt").write_text("asleep\na cat\n")
    assert captions(tmp_path, "sidecar", "embedded") == {"cat/a.jpg": ["asleep", "a cat"]}
    assert captions(tmp_path, "embedded", "sidecar") == {"cat/a.jpg": ["a cat", "asleep"]}


@pytest.mark.parametrize(
    "text",
    [
        "OLYMPUS DIGITAL CAMERA",
        "SONY DSC",
        "KONICA MINOLTA DIGITAL CAMERA",
        "Created with GIMP",
        "untitled",
        "DSC00012.JPG",
        "holiday 2.jpeg",
        "IMG_1234",
        "PXL_20230101_123456789",
        "2023-07-14",
        "...",
    ],
)
def test_what_cameras_and_programs_write_is_no_caption(tmp_path: Path, text: str) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text(f"{text}\n a dog \n")
    assert captions(tmp_path, "sidecar") == {"a.jpg": ["a dog"]}


@pytest.mark.parametrize("text", ["a Canon", "route 66", "猫", "Image of a dog", "digital art"])
def test_what_describes_something_stays(tmp_path: Path, text: str) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text(text)
    assert captions(tmp_path, "sidecar") == {"a.jpg": [text]}


def test_a_caption_is_cut_at_the_limit_of_a_query(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("x" * (MAX_TEXT + 5))
    assert captions(tmp_path, "sidecar") == {"a.jpg": ["x" * MAX_TEXT]}


@pytest.mark.parametrize(
    ("sources", "templates", "complaint"),
    [
        ([], ["{}"], "no source of captions is named; there are: sidecar, embedded, folders"),
        (["sidecars"], ["{}"], "no captions come from 'sidecars'; did you mean sidecar"),
        (["words.doc"], ["{}"], "no captions come from 'words.doc'; there are: .*.tsv"),
        (["nowhere.tsv"], ["{}"], "nowhere.tsv cannot be read: No such file"),
        (["folders"], ["a photo"], "the template 'a photo' has no {}"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy(
    sources: list[str], templates: list[str], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        gather([b"/a/b.jpg"], sources, [b"/a"], templates=templates)
    assert "\n" not in str(caught.value)


def test_a_file_that_fits_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("filename\tcaption\nz.jpg\tone\n")
    with pytest.raises(UsageError, match="none of the file names fits a picture here.*'z.jpg'"):
        gather([b"/a/b.jpg"], [str(tmp_path / "c.tsv")], [b"/a"])


def test_an_unclosed_quote_does_not_swallow_the_rows_after_it(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text('filename,caption\na.jpg,"open\nb.jpg,two\n')
    with pytest.raises(UsageError, match="is no table that can be read"):
        gather([b"/a/a.jpg"], [str(tmp_path / "c.csv")], [b"/a"])


def test_a_source_that_says_nothing_is_told_of_and_every_step_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture(tmp_path / "a.jpg")
    steps: list[tuple[str, int, int]] = []
    with caplog.at_level(logging.INFO):
        captions(tmp_path, "sidecar", on_step=lambda *step: steps.append(step))
    assert "sidecar gives no captions for any of 1 pictures" in caplog.text
    assert steps == [("captions: sidecar", 0, 1)]
