"""A reader's own files are read whole, or an error says what is wrong where."""

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlnotes.lab.fetch import DatasetError
from dlnotes.lab.files import LabeledImages, image_folder, json_table

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
CLASSES = [*COLORS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of six images of one color and of different sizes, with its labels."""
    path = tmp_path / "images"
    path.mkdir()
    rows = []
    for k, color in enumerate([*CLASSES, *CLASSES[::-1]]):
        name = f"{k}.{['png', 'bmp', 'JPG'][k % 3]}"
        Image.new("RGB", (3 + 5 * k, 20 - 2 * k), COLORS[color]).save(path / name)
        rows.append(f"{name},{color}")
    rows = ["ID,Class", *(rows[k] for k in (0, 4, 1, 5, 2, 3))]  # in no order
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return path


def read(folder: Path, size: tuple[int, int] = (4, 6)) -> LabeledImages:
    return image_folder(
        folder, folder.parent / "labels.csv", size=size, classes=CLASSES
    )


def relabel(folder: Path, old: str, new: str) -> None:
    table = folder.parent / "labels.csv"
    text = table.read_text("utf-8")
    assert old in text
    table.write_text(text.replace(old, new), "utf-8")


def test_images_of_all_sizes_come_in_the_order_of_the_labels(folder: Path) -> None:
    found = read(folder)

    assert found.X.shape == (6, 4, 6, 3)
    assert found.X.dtype == np.uint8
    assert found.names == ("0.png", "4.bmp", "1.bmp", "5.JPG", "2.JPG", "3.png")
    assert found.y.tolist() == [0, 1, 1, 0, 2, 2]
    assert found.classes == tuple(CLASSES)
    for image, label in zip(found.X, found.y, strict=True):
        difference = image.astype(int) - COLORS[CLASSES[label]]
        assert np.abs(difference).max() <= 2  # JPEG rounds


def test_a_source_has_the_digest_of_the_files_in_their_order(folder: Path) -> None:
    found = read(folder)

    content = b"".join((folder / name).read_bytes() for name in found.names)
    assert found.source.sha256 == hashlib.sha256(content).hexdigest()
    assert str(found.source) == "Images of images: 6 images"
    assert found.source.path == str(folder)


def test_an_image_keeps_up_up_and_left_left(folder: Path) -> None:
    corner = np.zeros((20, 30, 3), np.uint8)
    corner[:10, :15] = 255  # above on the left
    Image.fromarray(corner).save(folder / "0.png")

    bright = read(folder, (2, 2)).X[0].mean(axis=2) > 127

    assert bright.tolist() == [[True, False], [False, False]]


def test_a_camera_that_was_turned_is_turned_back(folder: Path) -> None:
    left = np.zeros((16, 32, 3), np.uint8)
    left[:, :16] = 255
    image = Image.fromarray(left)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned a quarter to the right, so left comes to be above
    image.save(folder / "2.JPG", exif=exif, quality=95)

    found = read(folder, (2, 2))
    bright = found.X[found.names.index("2.JPG")].mean(axis=2) > 127

    assert bright.tolist() == [[True, True], [False, False]]


def test_gray_images_and_palettes_become_red_green_and_blue(folder: Path) -> None:
    Image.new("L", (5, 5), 77).save(folder / "0.png")
    Image.new("RGB", (5, 5), (9, 8, 7)).quantize(4).save(folder / "3.png")

    found = read(folder)
    images = dict(zip(found.names, found.X, strict=True))

    assert np.unique(images["0.png"]).tolist() == [77]
    assert images["3.png"][0, 0].tolist() == [9, 8, 7]


def test_what_is_no_image_by_its_name_is_no_error(folder: Path) -> None:
    (folder / "notes.txt").write_text("by hand")
    (folder / "._0.png").write_bytes(b"what a Mac leaves")
    (folder / "more").mkdir()

    assert len(read(folder).X) == 6


def test_other_headers_are_read_when_they_are_named(folder: Path) -> None:
    relabel(folder, "ID,Class", "\ufefffile,group")  # with Excel's mark in front

    found = image_folder(
        folder,
        folder.parent / "labels.csv",
        size=(2, 2),
        classes=CLASSES,
        columns=("file", "group"),
    )

    assert len(found.X) == 6


def test_an_image_without_a_label_is_named(folder: Path) -> None:
    for name in ("x.png", "v.png", "w.png", "u.png"):
        Image.new("RGB", (2, 2)).save(folder / name)

    with pytest.raises(
        DatasetError, match=r"no label of: 'u\.png', 'v\.png', 'w\.png' and 1 more$"
    ):
        read(folder)


def test_a_label_without_an_image_is_named(folder: Path) -> None:
    (folder / "3.png").unlink()

    with pytest.raises(DatasetError, match=r"images that .*images lacks: '3\.png'$"):
        read(folder)


def test_a_label_does_not_lead_out_of_the_folder(folder: Path) -> None:
    (folder / "0.png").rename(folder.parent / "0.png")
    relabel(folder, "0.png", "../0.png")

    with pytest.raises(DatasetError, match=r"lacks: '\.\./0\.png'"):
        read(folder)


def test_a_class_that_is_not_in_the_list_is_named_with_its_file(folder: Path) -> None:
    relabel(folder, "1.bmp,green", "1.bmp,Green")

    with pytest.raises(DatasetError, match=r"'1\.bmp' \(Green\)"):
        read(folder)


def test_an_image_with_two_labels_is_refused(folder: Path) -> None:
    relabel(folder, "1.bmp,green", "1.bmp,green\n1.bmp,red")

    with pytest.raises(DatasetError, match=r"several labels for '1\.bmp'"):
        read(folder)


def test_all_damaged_images_are_named_at_once(folder: Path) -> None:
    (folder / "0.png").write_bytes(b"no image")
    (folder / "1.bmp").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(folder / "2.JPG")
    whole = (folder / "2.JPG").read_bytes()
    (folder / "2.JPG").write_bytes(whole[: len(whole) // 2])

    (folder / "3.png").write_bytes(b"")

    with pytest.raises(
        DatasetError,
        match=r"'0\.png' \(cannot.*'1\.bmp' \(cannot.*'2\.JPG' \(.*trunc.* and 1 more$",
    ):
        read(folder)


def test_an_image_that_is_too_large_is_called_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (50, 50)).save(folder / "0.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)

    with pytest.raises(DatasetError, match=r"'0\.png' \(Image size \(2500 pixels\) ex"):
        read(folder)


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x01\x0f\0\5\0\0\0\1\0\0\0\x08",  # who made the camera, as a fraction
        b"\x01\x1a\0\2\0\0\0\1\0\0\0\x08",  # the resolution, as text
        b"\x01\x28\0\1\0\0\0\1\0\0\0\x08",  # its unit, as a byte
    ],
)
def test_damage_beside_the_pixels_is_named_by_its_file(
    folder: Path, damaged: bytes
) -> None:
    turned = b"\x01\x12\0\3\0\0\0\1\0\6\0\0"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\2" + turned + damaged + bytes(4)
    Image.new("RGB", (2, 2)).save(folder / "2.JPG", exif=exif)

    with pytest.raises(DatasetError, match=r"cannot be read: '2\.JPG' \("):
        read(folder)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_gray_of_more_than_eight_bits_is_not_cut_off(
    folder: Path, dtype: type[np.generic]
) -> None:
    image = Image.fromarray(np.linspace(0, 255, 16).reshape(4, 4).astype(dtype))
    image.save(folder / "0.png", "TIFF")

    with pytest.raises(DatasetError, match=r"'0\.png' \(.*more than 8 bits, [IF]"):
        read(folder)


def test_neighbors_are_mixed_where_an_image_shrinks(folder: Path) -> None:
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(folder / "0.png")

    inner = read(folder, (2, 8)).X[0][:, 1:-1].astype(int)

    assert np.abs(inner - 127).max() <= 8


def test_an_empty_folder_is_refused_and_so_is_none(folder: Path) -> None:
    (folder / "inside").mkdir()

    with pytest.raises(DatasetError, match="inside has no image"):
        image_folder(
            folder / "inside", folder.parent / "labels.csv", size=(1, 1), classes=["a"]
        )
    with pytest.raises(FileNotFoundError, match="typo"):
        image_folder(folder / "typo", "labels.csv", size=(1, 1), classes=["a"])
    with pytest.raises(FileNotFoundError, match=r"typo\.csv"):
        image_folder(folder, folder / "typo.csv", size=(1, 1), classes=["a"])


def test_labels_with_other_columns_are_refused_and_the_columns_named(
    folder: Path,
) -> None:
    relabel(folder, "ID,Class", "id,Class")

    with pytest.raises(DatasetError, match=r"no column 'ID'; it has \['id', 'Class'\]"):
        read(folder)


def test_a_size_and_classes_that_make_no_sense_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"size must be positive, got \(0, 3\)"):
        read(folder, (0, 3))
    with pytest.raises(ValueError, match="classes must differ"):
        image_folder(folder, "labels.csv", size=(1, 1), classes=["a", "a"])


# Rows as those of the contest: two columns of JSON, one of them nested.
VISITS: list[dict[str, object]] = [
    {
        "fullVisitorId": "0008",
        "date": "20160902",
        "sessionId": "0008_1472830385",
        "totals": {"visits": "1", "hits": "11", "transactionRevenue": "37860000"},
        "trafficSource": {"source": "google", "ads": {"page": "1", "isVideo": False}},
    },
    {
        "fullVisitorId": "8",
        "date": "20160903",
        "sessionId": "8_1472880147",
        "totals": {"visits": "1", "hits": "2"},
        "trafficSource": {"source": '(direct), or "none"', "ads": {}},
    },
    {
        "fullVisitorId": "3141592653589793238",
        "date": "20160904",
        "sessionId": "3141592653589793238_147",
        "totals": {"visits": "1", "hits": None, "bounces": 1},
        "trafficSource": {"source": "Québec\nline two"},
    },
]
JSON = ["totals", "trafficSource"]


def write(path: Path, rows: list[dict[str, object]] = VISITS) -> Path:
    """Write rows as the csv module does, objects as JSON."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        for row in rows:
            cells = {
                name: json.dumps(value, ensure_ascii=False)
                if isinstance(value, Mapping)
                else value
                for name, value in row.items()
            }
            writer.writerow(cells)
    return path


def test_objects_become_columns_and_no_value_is_lost(tmp_path: Path) -> None:
    path = write(tmp_path / "visits.csv")

    table = json_table(path, json_columns=JSON, words=["fullVisitorId"])

    columns = table.columns
    assert columns["fullVisitorId"].tolist() == ["0008", "8", "3141592653589793238"]
    assert columns["date"].tolist() == [20160902, 20160903, 20160904]
    assert columns["totals.visits"].tolist() == [1, 1, 1]
    assert columns["totals.visits"].dtype == np.int64
    np.testing.assert_equal(columns["totals.hits"], [11, 2, np.nan])
    np.testing.assert_equal(
        columns["totals.transactionRevenue"], [37_860_000, np.nan, np.nan]
    )
    np.testing.assert_equal(columns["totals.bounces"], [np.nan, np.nan, 1])
    assert columns["trafficSource.source"].tolist() == [
        "google",
        '(direct), or "none"',
        "Québec\nline two",
    ]
    assert columns["trafficSource.ads.isVideo"].tolist() == ["false", "", ""]
    assert len(columns) == 10
    assert table.source.n == 3
    assert table.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(table.source) == "visits.csv: 3 rows"


def test_the_name_of_a_session_is_no_number_though_python_reads_one(
    tmp_path: Path,
) -> None:
    columns = json_table(write(tmp_path / "visits.csv"), json_columns=JSON).columns

    assert float(VISITS[0]["sessionId"]) > 0  # type: ignore[arg-type]
    assert columns["sessionId"].tolist() == [each["sessionId"] for each in VISITS]


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["9223372036854775807", "-3"], "i"),
        (["9223372036854775808", "3"], "U"),  # one too many for 64 bits
        (["9007199254740993", ""], "U"),  # a float with a gap would round it
        (["9007199254740991", ""], "f"),
        (["1e3", "-.5"], "f"),
        (["2E3", "1"], "f"),
        (["-9007199254740993", ""], "U"),
        (["inf", "1"], "U"),
        (["1e999", "1"], "U"),
        (["9007199254740993", "0.5"], "U"),
        (["9007199254740993.0", "1e3"], "U"),
        (["6.02214076e23", "1"], "f"),  # nobody's number
        (["9" * 5000, "1"], "U"),  # Python's int reads 4,300 digits
        (["9" * 5000, ""], "U"),
        (["٣", "1"], "U"),
        (["٣.5", "1"], "U"),
        (["", ""], "f"),
    ],
)
def test_numbers_are_read_where_none_is_rounded(
    tmp_path: Path, cells: list[str], dtype: str
) -> None:
    rows: list[dict[str, object]] = [{"a": cell, "b": "{}"} for cell in cells]
    path = write(tmp_path / "numbers.csv", rows)

    values = json_table(path, json_columns=["b"]).columns["a"]

    assert values.dtype.kind == dtype
    for cell, value in zip(cells, values, strict=True):
        if dtype == "U":
            assert value == cell
        elif cell:
            assert value == (int(cell) if dtype == "i" else float(cell))
        else:
            assert np.isnan(value)


def visits_of(tmp_path: Path, *cells: str) -> Path:
    """Write a file of a row for each cell of JSON, and of an empty line after each."""
    path = tmp_path / "visits.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["b", "t"], [], *([1, cell] for cell in cells)])
    return path


def test_numbers_and_lists_in_an_object_are_as_they_are_written(tmp_path: Path) -> None:
    path = visits_of(
        tmp_path,
        '{"a": 1E2, "b": 0.10000000000000000555, "c": [-0, {"é": "\\u00e9"}, true],'
        f'"d": [], "e": {"9" * 5000}}}',
    )

    columns = json_table(
        path, json_columns=["t"], words=["t.a", "t.b", "t.c.0"]
    ).columns

    assert {name: column.tolist() for name, column in columns.items()} == {
        "b": [1],
        "t.a": ["1E2"],
        "t.b": ["0.10000000000000000555"],
        "t.c.0": ["-0"],
        "t.c.1.é": ["é"],
        "t.c.2": ["true"],
        "t.e": ["9" * 5000],
    }


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ('{"a.b": 1, "a": {"b": 2}}', r"'t\.a\.b' has two values"),
        ('{"a": 1, "a": 2}', r"'t\.a' has two values"),
        ('{"a": "x\\u0000"}', r"'t\.a' has a NUL"),
        ('{"a": NaN}', "column t: no JSON, which has no NaN"),
        ('{"a":' * 20_000, "column t: no JSON, maximum recursion"),
        ("[" * 400 + "]" * 400, "column t: no JSON"),
    ],
)
def test_no_value_takes_the_place_of_another(
    tmp_path: Path, cell: str, message: str
) -> None:
    path = visits_of(tmp_path, "{}", cell)

    with pytest.raises(DatasetError, match=rf"visits\.csv, line 4.*{message}"):
        json_table(path, json_columns=["t"])


def test_a_column_beside_an_object_does_not_replace_its_key(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text('t,t.a\n"{""a"": 1}",7\n')

    with pytest.raises(DatasetError, match=r"line 2: 't\.a' has two values"):
        json_table(path, json_columns=["t"])


def test_what_is_not_asked_for_may_be_long_and_odd(tmp_path: Path) -> None:
    path = visits_of(tmp_path, json.dumps({"a": "x" * 140_000 + "\0"}), '{"c": 1}')
    csv.field_size_limit(131_072)  # as it is when Python begins

    columns = json_table(path, json_columns=["t"], columns=["b", "t.c"]).columns

    np.testing.assert_equal(columns, {"b": [1, 1], "t.c": [np.nan, 1]})
    assert csv.field_size_limit() == 131_072


def test_an_empty_line_may_be_a_gap_in_a_single_column(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("b\n1\n\n3\n")

    with pytest.raises(DatasetError, match="line 3: 0 cells, and the header has 1"):
        json_table(path, json_columns=[])

    path.write_text('b\n1\n""\n3\n')

    np.testing.assert_equal(
        json_table(path, json_columns=[]).columns["b"], [1, np.nan, 3]
    )


@pytest.mark.parametrize("text", ["", "\nb,t\n1,{}\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "visits.csv"
    path.write_text(text)

    with pytest.raises(DatasetError, match=r"visits\.csv has no header in its first"):
        json_table(path, json_columns=["t"])


def test_a_file_is_not_read_whole_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "visits.csv")
    monkeypatch.delattr(Path, "read_bytes")
    monkeypatch.delattr(Path, "read_text")

    assert json_table(path, json_columns=JSON).source.n == 3


def test_only_the_columns_that_were_asked_for_are_kept(tmp_path: Path) -> None:
    wanted = ["totals.transactionRevenue", "fullVisitorId"]

    table = json_table(
        write(tmp_path / "visits.csv"),
        json_columns=["totals"],
        words=["fullVisitorId"],
        columns=wanted,
    )

    assert [*table.columns] == wanted
    assert table.columns["fullVisitorId"][0] == "0008"


def spoiled(tmp_path: Path, old: str, new: str) -> Path:
    path = write(tmp_path / "visits.csv")
    text = path.read_bytes().decode()
    assert text.count(old) == 1
    path.write_bytes(text.replace(old, new).encode())
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('""hits"": ""2""}', '""hits"": ""2""', "line 3, column totals: no JSON, Exp"),
        ('"{""visits"": ""1"", ""hits"": ""2""}"', "", "line 3, column totals: no JSO"),
        ('"{""visits"": ""1"", ""hits"": ""2""}"', "[2]", r"object, but \[2\]"),
        ("20160903,", "", "line 3: 4 cells, and the header has 5"),
        ("20160903,", "20160903,1,", "line 3: 6 cells, and the header has 5"),
        (",totals,", ",total,", r"no column 'totals'; it has \['fullV"),
        ("sessionId", "date", "several columns 'date'"),
    ],
)
def test_a_row_that_is_damaged_is_named_by_file_and_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = spoiled(tmp_path, old, new)

    with pytest.raises(DatasetError, match=rf"visits\.csv.*{message}"):
        json_table(path, json_columns=JSON)


def test_a_file_that_ends_in_a_cell_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "visits.csv")
    path.write_bytes(path.read_bytes()[:-8])

    with pytest.raises(DatasetError, match=r"visits\.csv, line \d: unexpected end"):
        json_table(path, json_columns=JSON)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "visits.csv")
    path.write_bytes(path.read_bytes().decode().encode("latin-1"))

    with pytest.raises(
        DatasetError, match=r"visits\.csv, after line \d: no text in UTF-8"
    ):
        json_table(path, json_columns=JSON)


def test_no_file_no_row_and_no_such_column_are_errors(tmp_path: Path) -> None:
    path = write(tmp_path / "visits.csv")
    empty = tmp_path / "empty.csv"
    empty.write_text("totals,trafficSource\n")

    with pytest.raises(FileNotFoundError, match=r"typo\.csv"):
        json_table(tmp_path / "typo.csv", json_columns=JSON)
    with pytest.raises(DatasetError, match=r"empty\.csv has no row"):
        json_table(empty, json_columns=JSON)
    with pytest.raises(
        DatasetError, match=r"no column 'totals\.hit'; it has .*\.hits'"
    ):
        json_table(path, json_columns=JSON, columns=["totals.hit"])
    with pytest.raises(DatasetError, match="no column 'visitor'; it has"):
        json_table(path, json_columns=JSON, words=["visitor"])
