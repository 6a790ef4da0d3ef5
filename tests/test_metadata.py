import io
import json
import struct
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.pictures.metadata import Metadata, read_metadata
from indexer.pictures.xmp import read_xmp

EXIF, GPS = 0x8769, 0x8825
MAKE, MODEL, CHANGED, RATING = 0x010F, 0x0110, 0x0132, 0x4746
TAKEN, DIGITISED, TAKEN_OFFSET, LENS = 0x9003, 0x9004, 0x9011, 0xA434
PARIS = {1: "N", 2: (48.0, 51.0, 29.9), 3: "E", 4: (2.0, 17.0, 40.2)}


def near(value: float) -> float:
    return pytest.approx(value, abs=1e-5)  # type: ignore[return-value]


def file_with(
    main: dict[int, Any] | None = None,
    details: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
    xmp: str = "",
    format: str = "JPEG",
) -> bytes:
    exif = Image.Exif()
    exif.update(main or {})
    exif.get_ifd(EXIF).update(details or {})
    exif.get_ifd(GPS).update(gps or {})
    out = io.BytesIO()
    options = {"xmp": packet(xmp)} if xmp else {}
    Image.new("RGB", (8, 8)).save(out, format, exif=exif.tobytes(), **options)
    return out.getvalue()


def packet(description: str, head: str = "") -> bytes:
    return f"""{head}<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
        <x:xmpmeta xmlns:x="adobe:ns:meta/"
          xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
          xmlns:xmp="http://ns.adobe.com/xap/1.0/"
          xmlns:exif="http://ns.adobe.com/exif/1.0/"
          xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"
          xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
          xmlns:tiff="http://ns.adobe.com/tiff/1.0/">
        <rdf:RDF><rdf:Description rdf:about="" {description}</rdf:RDF>
        </x:xmpmeta><?xpacket end="w"?>""".encode()


def metadata(data: bytes) -> Metadata:
    with Image.open(io.BytesIO(data)) as image:
        return read_metadata(image)


def exif(
    main: dict[int, Any] | None = None,
    details: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
) -> Metadata:
    return metadata(file_with(main, details, gps))


def xmp(description: str) -> Metadata:
    return metadata(file_with(xmp=description))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_what_a_camera_writes_is_read_from_every_format(format: str) -> None:
    data = file_with(
        {MAKE: "Panasonic", MODEL: "DC-G9", RATING: 4},
        {TAKEN: "2023:07:14 21:30:05", TAKEN_OFFSET: "+02:00", LENS: "LUMIX G 12-35/F2.8"},
        PARIS | {5: b"\0", 6: 35.5},
        format=format,
    )
    assert metadata(data) == Metadata(
        taken_at="2023-07-14T21:30:05",
        taken_offset_minutes=120,
        camera="Panasonic DC-G9",
        lens="LUMIX G 12-35/F2.8",
        latitude=near(48.85831),
        longitude=near(2.29450),
        altitude_m=35.5,
        rating=4,
    )


def test_what_an_editor_writes_is_read_as_attributes_and_as_elements() -> None:
    expected = Metadata(
        taken_at="2019-12-31T23:59:58",
        taken_offset_minutes=-330,
        camera="NIKON D750",
        lens="50.0 mm f/1.8",
        latitude=near(-33.8568),
        longitude=near(151.2153),
        rating=-1,
    )
    values = {
        "exif:DateTimeOriginal": "2019-12-31T23:59:58.75-05:30",
        "tiff:Make": "NIKON CORPORATION",
        "tiff:Model": "NIKON D750",
        "aux:Lens": "50.0 mm f/1.8",
        "exif:GPSLatitude": "33,51.408S",
        "exif:GPSLongitude": "151,12,55.08E",
        "xmp:Rating": "-1",
    }
    attributes = " ".join(f'{name}="{value}"' for name, value in values.items()) + "/>"
    elements = ">" + "".join(f"<{n}>{v}</{n}>" for n, v in values.items()) + "</rdf:Description>"
    assert xmp(attributes) == expected
    assert xmp(elements) == expected


def test_a_file_that_says_nothing_has_no_metadata() -> None:
    assert exif() == Metadata()


# When


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2023:07:14 21:30:05", "2023-07-14T21:30:05"),
        ("2023-07-14 21:30:05", "2023-07-14T21:30:05"),
        ("2023:07:14 21:30", "2023-07-14T21:30:00"),
        ("2023:07:14", "2023-07-14T00:00:00"),
        ("2024:02:29 00:00:00\0\0\0", "2024-02-29T00:00:00"),
        ("0000:00:00 00:00:00", None),
        ("2023:02:29 00:00:00", None),
        ("2023:07:14 24:61:00", None),
        ("1970:01:01 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("yesterday", None),
        ("9" * 5000, None),
    ],
)
def test_only_times_that_can_be_true_are_read(written: str, read: str | None) -> None:
    assert exif({}, {TAKEN: written}).taken_at == read


def test_the_most_trusted_time_that_can_be_true_is_taken() -> None:
    times = {TAKEN: "0000:00:00 00:00:00", DIGITISED: "2001:01:01 01:01:01"}
    assert exif({CHANGED: "2020:02:02 02:02:02"}, times).taken_at == "2001-01-01T01:01:01"
    assert exif({CHANGED: "2020:02:02 02:02:02"}).taken_at == "2020-02-02T02:02:02"


def test_xmp_tells_the_time_where_exif_only_knows_when_it_was_scanned() -> None:
    taken = 'photoshop:DateCreated="1968-05-03"/>'
    data = file_with(details={DIGITISED: "2015:06:07 08:09:10"}, xmp=taken)
    assert metadata(data).taken_at == "1968-05-03T00:00:00"


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("+02:00", 120), ("-09:30", -570), ("Z", 0), ("+14:00", 840), ("+25:00", None), ("CET", None)],
)
def test_offsets_are_minutes_that_exist(written: str, minutes: int | None) -> None:
    details = {TAKEN: "2023:07:14 21:30:05", TAKEN_OFFSET: written}
    assert exif({}, details).taken_offset_minutes == minutes


def test_the_time_of_the_satellites_is_not_the_time_taken() -> None:
    assert exif({}, {}, PARIS | {7: (12.0, 0.0, 0.0), 29: "2023:07:14"}).taken_at is None


# Where


def test_south_and_west_are_negative() -> None:
    place = exif({}, {}, {1: "S", 2: (33.0, 30.0, 0.0), 3: "W", 4: (70.0, 15.0, 0.0)})
    assert (place.latitude, place.longitude) == (-33.5, -70.25)


def test_below_the_sea_is_negative() -> None:
    assert exif({}, {}, {5: b"\1", 6: 430.0}).altitude_m == -430


@pytest.mark.parametrize(
    "gps",
    [
        {2: (99.0, 0.0, 0.0)},
        {2: (48.0, 51.0, 29.0, 1.0)},
        {4: (181.0, 0.0, 0.0)},
        {1: "?"},
        {3: ""},
        {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
    ],
)
def test_places_that_do_not_exist_are_no_place(gps: dict[int, Any]) -> None:
    place = exif({}, {}, PARIS | gps)
    assert (place.latitude, place.longitude) == (None, None)


def test_a_rational_of_nought_by_nought_is_no_number() -> None:
    data = file_with(gps=PARIS | {6: 35.5})
    written = struct.pack("<II", *(35.5).as_integer_ratio())
    if written not in data:
        written = struct.pack(">II", *(35.5).as_integer_ratio())
    assert metadata(data).altitude_m == 35.5
    assert metadata(data.replace(written, bytes(8))).altitude_m is None


@pytest.mark.parametrize("written", ["48,51", "48.8N", "481,1N", "x,yN", "48,51.5E", "9" * 9000])
def test_xmp_coordinates_in_another_form_are_no_place(written: str) -> None:
    place = xmp(f'exif:GPSLatitude="{written}" exif:GPSLongitude="2,17.67E"/>')
    assert (place.latitude, place.longitude) == (None, None)


# With what


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("Apple", "iPhone 15", "Apple iPhone 15"),
        ("  SONY \0junk", "ILCE-7M4\0\0", "SONY ILCE-7M4"),
        ("", "Scanner", "Scanner"),
        ("Leica", "", "Leica"),
        ("\0\0", "  ", None),
        ("tab\tand\nnewline", "x", "tab and newline x"),
        ("Make", "m" * 100_000, "Make"),
    ],
)
def test_a_camera_is_one_short_line(make: str, model: str, camera: str | None) -> None:
    assert metadata(file_with({MAKE: make, MODEL: model}, format="TIFF")).camera == camera


@pytest.mark.parametrize(
    ("written", "stars"), [("5", 5), ("0", 0), ("-1", -1), ("3.0", 3), ("6", None), ("3.5", None)]
)
def test_a_rating_is_a_whole_number_of_stars(written: str, stars: int | None) -> None:
    assert xmp(f'xmp:Rating="{written}"/>').rating == stars


def test_the_rating_in_xmp_counts_for_editors_keep_it_current() -> None:
    assert metadata(file_with({RATING: 2}, xmp='xmp:Rating="5"/>')).rating == 5


# What is hostile


def test_xmp_with_a_document_type_is_not_read() -> None:
    laughs = '<!DOCTYPE x [<!ENTITY a "5"><!ENTITY b "&a;">]>'
    assert read_xmp(packet('xmp:Rating="5"/>')) == {"xmp:Rating": "5"}
    assert read_xmp(packet('xmp:Rating="&b;"/>', head=laughs)) == {}
    assert (
        read_xmp(packet('xmp:Rating="5"/>', head='<!DOCTYPE x SYSTEM "file:///etc/passwd">')) == {}
    )


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        b"",
        b"<",
        b"<a>" * 100_000,
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
        packet('xmp:Rating="5"/>')[:-40],
        packet('xmp:Rating="5"/>') + b" " * 5_000_000,
        "\ud800",
    ],
)
def test_damaged_xmp_says_nothing(damaged: object) -> None:
    assert read_xmp(damaged) == {}


def test_a_packet_may_be_padded_or_text() -> None:
    text = packet('xmp:Rating="5"/>').decode()
    assert read_xmp(text)["xmp:Rating"] == "5"
    assert read_xmp(text.encode() + bytes(2000))["xmp:Rating"] == "5"


@settings(max_examples=300, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), junk=st.binary(min_size=1, max_size=12))
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_exif_never_raises_and_never_yields_what_json_cannot_say(
    where: float, junk: bytes
) -> None:
    image = Image.new("RGB", (8, 8))
    block = bytearray(BLOCK)
    start = 6 + int(where * (len(block) - 6))
    block[start : start + len(junk)] = junk
    image.info["exif"] = bytes(block)
    json.dumps(asdict(read_metadata(image)), allow_nan=False)


def _block() -> bytes:
    full = Image.Exif()
    full.update({MAKE: "Panasonic", MODEL: "DC-G9", CHANGED: "2023:07:14 21:30:05", RATING: 3})
    full.get_ifd(EXIF).update({TAKEN: "2023:07:14 21:30:05", LENS: "LUMIX"})
    full.get_ifd(GPS).update(PARIS | {5: b"\0", 6: 35.5})
    return full.tobytes()


BLOCK = _block()
