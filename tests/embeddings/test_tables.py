"""Which columns of a table are dimensions: what is left out is said, and what is ambiguous is an error with the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from fullrank.embeddings import EmbeddingFile, open_embeddings
from fullrank.embeddings.arrow.footers import Group, groups_of
from fullrank.errors import UserError

Z = np.random.default_rng(0).standard_normal((9, 4))


def csv(path: Path, names: str, cells: Any) -> str:
    lines = [",".join(map(str, row)) for row in cells]
    path.write_text("\n".join(([names] if names else []) + lines) + "\n")
    return str(path)


def wide(path: Path, names: list[str], **more: Any) -> str:
    columns = {name: Z[:, j] for j, name in enumerate(names)}
    pyarrow.parquet.write_table(pa.table({**columns, **more}), path)
    return str(path)


def holds_z(file: EmbeddingFile) -> bool:
    return bool(torch.equal(torch.cat(list(file.read(0, None))), torch.from_numpy(Z)))


@pytest.mark.parametrize("names", ["0,1,2,3", "a,b,c,d"])
def test_the_index_that_pandas_writes_is_no_dimension(names: str, tmp_path: Path) -> None:
    rows = [[i, *row] for i, row in enumerate(Z)]
    file = open_embeddings(csv(tmp_path / "z.csv", f",{names}", rows))
    assert holds_z(file)
    assert file.left_out == ("the first column (an index)",)


def test_names_of_columns_that_are_numbers_are_no_row(tmp_path: Path) -> None:
    assert holds_z(open_embeddings(csv(tmp_path / "z.csv", "0,1,2,3", Z)))
    (tmp_path / "z.txt").write_text("0 1 2 3\n" + "\n".join(" ".join(map(str, row)) for row in Z))
    assert open_embeddings(str(tmp_path / "z.txt")).left_out == ("the first line (names)",)
    assert holds_z(open_embeddings(str(tmp_path / "z.txt")))
    assert sum(map(len, open_embeddings(csv(tmp_path / "one.csv", "0", Z[:, :1])).read(0, None))) == 9


@pytest.mark.parametrize(
    ("names", "index", "said"),
    [
        (",,0,1,2,3", ["4", "5"], ("the first column (an index)", "Unnamed: 1 (an index)")),
        ("a,b,0,1,2,3", ["4", "5"], ("a (whole numbers)", "b (whole numbers)")),
        (",0,1,2,3", ["2024-01-01"], ("the first column (an index)",)),
        ("day,0,1,2,3", ["2024-01-01"], ("day (no numbers)",)),
        ("label,0,1,2,3", ["True"], ("label (no numbers)",)),
        ("a,b,c,d,e,f,g,0,1,2,3", ["x"] * 7, (*(f"{name} (no numbers)" for name in "abcde"), "2 more (no numbers)")),
        ("# of two lines\n# and commas, too\n0,1,2,3", [], ()),
        ("x,x,y,y", [], ()),
    ],
    ids=["two", "two with names", "dates", "dates with a name", "booleans", "many", "comments", "equal names"],
)
def test_an_index_of_any_kind_is_no_dimension(
    names: str, index: list[str], said: tuple[str, ...], tmp_path: Path
) -> None:
    file = open_embeddings(csv(tmp_path / "z.csv", names, [[*index, *row] for row in Z]))
    assert holds_z(file)
    assert file.left_out == said


def test_bars_between_cells_and_decimal_commas_in_quotes_are_read(tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text("a|b|c|d\n" + "\n".join("|".join(map(str, row)) for row in Z))
    assert holds_z(open_embeddings(str(tmp_path / "z.csv")))
    quoted = [[f'"{number}"'.replace(".", ",") for number in row] for row in Z]
    assert holds_z(open_embeddings(csv(tmp_path / "z.csv", "0,1,2,3", quoted)))


@pytest.mark.parametrize("apart", [" ", ",", ", "])
def test_vectors_of_words_need_no_brackets_where_nothing_else_is_a_dimension(apart: str, tmp_path: Path) -> None:
    rows = [["2 x", i, f'"{apart.join(map(str, row))}"'] for i, row in enumerate(Z)]
    file = open_embeddings(csv(tmp_path / "z.csv", "size,n,vector", rows))
    assert holds_z(file)
    assert file.left_out == ("size (no vectors)", "n (no vectors)")


def test_whole_numbers_among_fractions_are_left_out_and_said(tmp_path: Path) -> None:
    rows = [[i + 7, *row, i % 3] for i, row in enumerate(Z)]
    file = open_embeddings(csv(tmp_path / "z.csv", "id,a,b,c,d,label", rows))
    assert holds_z(file)
    assert file.read_as(9).endswith(
        "9 rows of 4 dimensions (float64), from a to d; left out: id (whole numbers), label (whole numbers)."
    )
    bare = open_embeddings(csv(tmp_path / "bare.csv", "", rows))
    assert holds_z(bare)
    assert bare.left_out == ("f0 (whole numbers)", "f5 (whole numbers)")


@pytest.mark.parametrize("names", ["x0,x1,x2,x3,x4", ""])
def test_a_dimension_that_is_always_0_stays_one(names: str, tmp_path: Path) -> None:
    file = open_embeddings(csv(tmp_path / "z.csv", names, [[*row, 0] for row in Z]))
    assert (file.dims, file.left_out) == (5, ())


@pytest.mark.slow
def test_numbers_that_begin_whole_and_end_in_fractions_are_read(tmp_path: Path) -> None:
    rows = [[0, 0.5], *([0, 0.25] for _ in range(200_000)), [1.5, 0.5]]
    file = open_embeddings(csv(tmp_path / "z.csv", "x0,x1", rows))
    assert torch.cat(list(file.read(0, None)))[-1].tolist() == [1.5, 0.5]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_of_labels_is_no_dimension(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"z.{ending}"
    if ending == "csv":
        csv(path, "a,b,c,d,label", [[*row, float(i % 2)] for i, row in enumerate(Z)])
    else:
        wide(path, ["a", "b", "c", "d"], label=np.arange(9) % 2 + 0.0)
    found = open_embeddings(str(path))
    assert holds_z(found)
    assert found.left_out == ("label (whole numbers)",)
    file = open_embeddings(str(path), without=[f"{path}::label"])
    assert holds_z(file)
    assert file.left_out == ("label (labels or groups)",)
    assert open_embeddings(str(path), without=[f"{tmp_path}/another.csv::label"]).left_out == found.left_out


@pytest.mark.parametrize("stem", ["dim_", "emb_", ""])
def test_a_score_beside_numbered_dimensions_is_left_out_and_said(stem: str, tmp_path: Path) -> None:
    file = open_embeddings(wide(tmp_path / "z.parquet", [f"{stem}{j}" for j in range(4)], score=Z[:, 0]))
    assert holds_z(file)
    assert file.left_out == ("score (not numbered as the others)",)


@pytest.mark.parametrize("names", ["v,v_1,v_2,v_3", "emb,emb.1,emb.2,emb.3", "a,a,a,a", "x,x1,x2,x3"])
@pytest.mark.parametrize("key", [False, True])
def test_the_name_without_a_number_is_the_first_dimension(names: str, key: bool, tmp_path: Path) -> None:
    place = csv(tmp_path / "z.csv", names, Z)
    file = open_embeddings(f"{place}::{names.split(',')[0]}" if key else place)
    assert holds_z(file)
    assert file.left_out == ()


def test_the_name_without_a_number_is_none_where_number_0_is_there(tmp_path: Path) -> None:
    rows = [[0.5, *row] for row in Z]
    file = open_embeddings(csv(tmp_path / "z.csv", "v,v_0,v_1,v_2,v_3", rows))
    assert holds_z(file)
    assert file.left_out == ("v (not numbered as the others)",)
    names = "v,v_1,v_2,v_3,v_4,w1,w2"
    with pytest.raises(UserError, match=r"holds the columns v to v_4 beside w1, w2.*z.csv::v\."):
        open_embeddings(csv(tmp_path / "z.csv", names, [[*row, 0.5, 0.25, 0.125] for row in Z]))


def test_a_column_of_labels_that_the_key_begins_is_no_dimension(tmp_path: Path) -> None:
    path = wide(tmp_path / "z.parquet", [f"x{j}" for j in range(4)], xlabel=np.arange(9) + 0.0)
    file = open_embeddings(f"{path}::x", without=[f"{path}::xlabel"])
    assert holds_z(file)
    assert file.left_out == ("xlabel (labels or groups)",)


def test_two_families_of_columns_are_an_error_that_names_the_key(tmp_path: Path) -> None:
    path = wide(tmp_path / "z.parquet", ["pc_0", "pc_1", "umap_0", "umap_1"])
    with pytest.raises(UserError, match=r"say which are the dimensions, as in .*z\.parquet::pc_\.$"):
        open_embeddings(path)
    assert open_embeddings(f"{path}::umap_").dims == 2


def test_tags_and_categories_beside_the_vectors_are_no_vectors(tmp_path: Path) -> None:
    kinds = pa.array(["a"] * 9).dictionary_encode()
    table = pa.table({"tags": [["x"]] * 9, "kind": kinds, "tokens": [[1, 2]] * 9, "z": list(Z)})
    pyarrow.parquet.write_table(table, tmp_path / "z.parquet")
    assert holds_z(open_embeddings(str(tmp_path / "z.parquet")))
    pyarrow.parquet.write_table(table.append_column("w", table["z"]), tmp_path / "two.parquet")
    with pytest.raises(UserError, match="say which one"):
        open_embeddings(str(tmp_path / "two.parquet"))


def test_vectors_that_were_shortened_in_print_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="shortened"):
        open_embeddings(csv(tmp_path / "z.csv", "id,z", [[1, '"[0.1 ... 0.2]"']]))


def test_whole_numbers_and_words_in_plain_text_are_left_out_and_said(tmp_path: Path) -> None:
    lines = [f"word-{i} {i % 3} {' '.join(map(str, row))}" for i, row in enumerate(Z)]
    (tmp_path / "z.txt").write_text("\n".join(lines))
    file = open_embeddings(str(tmp_path / "z.txt"))
    assert holds_z(file)
    assert file.left_out == ("the first word of each line", "column 2 (whole numbers)")
    (tmp_path / "z.txt").write_text("\n".join([*lines, "word 0.5"]))
    with pytest.raises(UserError, match="ragged"):
        list(open_embeddings(str(tmp_path / "z.txt")).read(0, None))


def test_a_folder_is_its_shards_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    with pytest.raises(UserError, match="no file that can be read"):
        open_embeddings(str(folder))
    for part in range(3):
        np.save(folder / f"part-{part}.npy", Z[3 * part : 3 * part + 3])
    (folder / "info.json").write_text("{}")
    (folder / "_SUCCESS").write_text("")
    file = open_embeddings(str(folder))
    assert holds_z(file)
    assert file.columns == "3 files from part-0.npy to part-2.npy"
    wide(folder / "other.parquet", ["a", "b", "c", "d"])
    with pytest.raises(UserError, match="pass a file, or a pattern"):
        open_embeddings(str(folder))


def test_shards_with_other_columns_are_refused(tmp_path: Path) -> None:
    wide(tmp_path / "a.parquet", ["a", "b", "c", "d"])
    wide(tmp_path / "b.parquet", ["a", "b", "c", "e"])
    with pytest.raises(UserError, match="pass files of one kind"):
        open_embeddings(f"{tmp_path}/*.parquet")


def test_vectors_of_bytes_are_read_as_numbers(tmp_path: Path) -> None:
    quantized = (Z * 30).astype(np.int8)
    np.save(tmp_path / "z.npy", quantized)
    pyarrow.parquet.write_table(pa.table({"z": list(quantized)}), tmp_path / "z.parquet")
    for name in ("z.npy", "z.parquet"):
        file = open_embeddings(str(tmp_path / name))
        assert file.dtype == "int8"
        assert torch.equal(torch.cat(list(file.read(0, None))), torch.from_numpy(quantized).float())


def test_structured_arrays_are_refused_with_the_way_on(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3, [("id", "i4"), ("z", "f4", (4,))]))
    np.save(tmp_path / "b.npy", np.zeros(3, [("x", "f4"), ("y", "f4")]))
    with pytest.raises(UserError, match=r"save one field, as z\['z'\]"):
        open_embeddings(str(tmp_path / "a.npy"))
    with pytest.raises(UserError, match="structured_to_unstructured"):
        open_embeddings(str(tmp_path / "b.npy"))


def test_a_footer_says_how_large_its_row_groups_are(tmp_path: Path) -> None:
    """As pyarrow says of a footer that is whole; over one that is damaged it may end the process."""
    path = tmp_path / "z.parquet"
    pyarrow.parquet.write_table(pa.table({"z": [[1.0, 2.0], [3.0]] * 20, "n": list("ab") * 20}), path, row_group_size=9)
    about = pyarrow.parquet.ParquetFile(path).metadata
    with path.open("rb") as file:
        found = groups_of(file)
    assert len(found) == about.num_row_groups == 5
    for at, group in enumerate(found):
        columns = [about.row_group(at).column(number) for number in range(2)]
        assert group == Group(
            about.row_group(at).num_rows,
            sum(column.num_values for column in columns),
            sum(column.total_compressed_size for column in columns),
            sum(column.total_uncompressed_size for column in columns),
        )
