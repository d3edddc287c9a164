"""Nothing of a file is lost without a word: no row to a header or a comment, no id to another one, no missing value."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
import zarr
from pyarrow import feather

from fullrank.embeddings import open_column, open_embeddings
from fullrank.embeddings.described import described
from fullrank.embeddings.files import own_columns
from fullrank.embeddings.writers import Table, write_embeddings
from fullrank.errors import UserError

IDS = [1, 2, 2**63 + 5, 2**63 + 7777, 2**64 - 1, 1]
Z = np.random.default_rng(0).standard_normal((6, 3))


def refused(spec: Path | str) -> str:
    """The sentence with which a file of embeddings is refused."""
    with pytest.raises(UserError) as error:
        list(open_embeddings(str(spec)).read(0, None))
    return str(error.value)


def rows_of(path: Path, text: str) -> int:
    path.write_text(text)
    return sum(map(len, open_embeddings(str(path)).read(0, None)))


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "npy", "parts", "signs"])
def test_ids_of_64_bits_stay_apart(kind: str, tmp_path: Path) -> None:
    ids = [*IDS[:-1], -1] if kind == "signs" else IDS
    path = tmp_path / ("x.jsonl" if kind == "signs" else f"x.{kind}")
    if kind == "json":
        path.write_text(json.dumps(ids))
    elif kind == "npy":
        np.save(path, np.array(ids, np.uint64))
    elif kind == "parts":
        path.mkdir()
        np.save(path / "a.npy", np.array(ids[:2], np.int64))
        np.save(path / "b.npy", np.array(ids[2:], np.uint64))
    else:
        path.write_text("id\n" * (kind == "csv") + "".join(f"{one}\n" for one in ids))
    column = open_column(str(path) + "::id" * (kind == "csv"))
    assert [column.names[code] for code in column.codes] == [str(one) for one in ids]


@pytest.mark.parametrize("large", ["99999999999999999999", "1e19"])
def test_ids_of_a_table_that_no_float_holds_are_the_words_of_the_file(large: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"id\n{large}\n12345678901234567890\n12345678901234567891\n5\n")
    column = open_column(f"{tmp_path}/x.csv::id")
    assert [column.names[code] for code in column.codes] == [large, "12345678901234567890", "12345678901234567891", "5"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([1e19, 2e19, 3.0]), "holds ids that are too large for float64: write them as text."),
        (np.array([2.0**53, 1.0]), "too large for float64"),
        (np.array([2.0**24, 1.0], np.float32), "too large for float32"),
        (np.array([1.0, np.inf]), "holds float64: pass whole numbers or names"),
    ],
)
def test_floats_in_which_ids_fall_together_are_refused(values: Any, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(UserError, match=said):
        open_column(f"{tmp_path}/x.npy")
    (tmp_path / "x.csv").write_text(f"age\n0.5\n{10**20}\n")
    with pytest.raises(UserError, match="holds float64"):
        open_column(f"{tmp_path}/x.csv::age")
    np.save(tmp_path / "x.npy", np.array([2.0**53 - 1, 1.0]))
    assert open_column(f"{tmp_path}/x.npy").names == ("1", str(2**53 - 1))


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_missing_values_of_anndata_are_no_class(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"cells.{kind}"
    columns = {"codes": np.array([0, 1, -1], np.int8), "categories": np.array([7, 8, 9])}
    nullable = {"values": np.array([5, 6, 1]), "mask": np.array([False, False, True])}
    with ExitStack() as stack:
        file = stack.enter_context(h5py.File(path, "w")) if kind == "h5ad" else zarr.open_group(str(path), mode="w")
        for name, arrays in (("donor", columns), ("age", nullable), ("whole", {**nullable, "mask": np.zeros(3, bool)})):
            for place, values in arrays.items():
                (file.create_dataset if kind == "h5ad" else file.create_array)(f"obs/{name}/{place}", data=values)
    for key in ("obs/donor/codes", "obs/age/values", *(["obs/donor"] if kind == "h5ad" else [])):
        with pytest.raises(UserError, match="has missing values in 1 of 3 rows: every row needs one"):
            open_column(f"{path}::{key}")
    assert open_column(f"{path}::obs/whole/values").names == ("1", "5", "6")


def test_a_missing_category_of_an_arrow_file_is_no_class(tmp_path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", None]))
    feather.write_feather(pa.table({"label": column}), tmp_path / "x.arrow")
    with pytest.raises(UserError, match="has missing values"):
        open_column(f"{tmp_path}/x.arrow::label")


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("z.csv", "cat,0.1,0.2\ndog,0.3,0.4\nfox,0.5,0.6\n", 3),
        ("z.tsv", "cat\t0.1\t-0.2\ndog\t0.3\t0.4\nfox\t0.5\t0.6\n", 3),
        ("z.csv", "cat,1.5,0\ndog,0.3,0.4\n", 2),
        ("z.csv", "cat,0,0\ndog,0.3,0.4\n", 2),
        ("z.csv", 'cat,"[0.1, 0.2]"\ndog,"[0.3, 0.4]"\n', 2),
        ("z.csv", 'cat,"0.1 0.2"\ndog,"0.3 0.4"\n', 2),
        ("z.csv", "#tag,0.1,0.2\ncat,0.3,0.4\n", 2),
        ("z.csv", "5,0.6\n0.1,0.2\n", 2),
        ("z.txt", "the 0.1 0.2\n2000 0.3 0.4\ncat 0.1 0.2\n", 3),
        ("z.csv", "# about, 0.5\nid,x0\ncat,0.1\n", 1),
        ("z.csv", "0_0,0_1\n0.1,0.2\n", 1),
        ("z.csv", "word,0,1\ncat,0.1,0.2\ndog,0.3,0.4\n", 2),
        ("z.csv", ",0\ncat,0.1\ndog,0.3\n", 2),
        ("z.csv", "id,100,200\n7,0.1,0.2\n", 1),
        ("z.txt", '"" 0 1\ncat 0.1 0.2\n', 1),
        ("z.csv", "id,0.0,1.0,2.0,3.0\ns0,0.3,0.1,0.5,0.2\n", 1),  # names of float columns in pandas
        ("z.csv", ",0.0,1.0,2.0,3.0\n0,0.3,0.1,0.5,0.2\n", 1),
        ("z.csv", f"id,{','.join(str(400.5 + j * j) for j in range(9))}\ns0{',0.5,0.2,0.1' * 3}\n", 1),  # wavelengths
    ],
)
def test_a_first_line_of_numbers_is_a_row_and_one_of_names_is_none(
    name: str, text: str, rows: int, tmp_path: Path
) -> None:
    assert rows_of(tmp_path / name, text) == rows


@pytest.mark.parametrize(
    "text",
    [
        "id,100,200\ncat,0.1,0.2\n",
        "5,6,7\n0.1,0.2,0.3\n",
        "label,0\ncat,0.5\n",
        "the,0.1,0.2\n2000,0.3,0.4\n",
        "cat,,0.3\ndog,0.1,0.2\n",
        ",0.5,0.75\n0.1,0.2,0.3\n",
        "id,400.5,401,403,410\ns0,0.3,0.1,0.5,0.2\n",
    ],
)
def test_a_first_line_that_could_be_names_or_a_row_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text(text)
    assert refused(tmp_path / "z.csv").endswith(
        ", which could be names or a row: put a line of names (x0, x1, ...) above it or in its place."
    )


GLOVE = "the 0.1 0.2 0.3\n# 0.4 0.5 0.6\n#tag 0.7 0.8 0.9\n# a comment\ncat 0.1 0.5 0.2\n"


def test_a_word_that_begins_as_a_comment_is_a_row(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "z.txt", GLOVE) == rows_of(tmp_path / "z.txt", f"4 3\n{GLOVE}") == 4
    assert rows_of(tmp_path / "z.txt", "0.1 0.2\n# 0.3 0.4\n0.5 0.6\n") == 2
    file = open_embeddings(str(tmp_path / "z.txt"))
    assert torch.cat([*file.read(1, None)]).tolist() == [[0.5, 0.6]]


def test_the_first_line_of_word2vec_is_held_to_the_rows(tmp_path: Path) -> None:
    (tmp_path / "z.txt").write_text(f"5 3\n{GLOVE}")
    assert refused(tmp_path / "z.txt").endswith("z.txt has 4 rows, and its first line says 5: write it again, whole.")


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ([torch.zeros(8, 4)] * 2, "is a list of tensors of the shape (8, 4): save torch.cat(list), as (samples, D)."),
        (
            (torch.zeros(8, 4), torch.zeros(8)),
            "the shape (8, 4) and (8,), which cannot be joined: save the embeddings alone, as (samples, D).",
        ),
        ([torch.zeros(8, 4), torch.zeros(8, 3)], "the shape (8, 4) and (8, 3), which cannot be joined"),
        ([torch.zeros(8, 4), torch.zeros(7, 4)], "the shape (8, 4) and (7, 4): save torch.cat(list), as (samples, D)."),
        ([torch.tensor(0.5)] * 2, "is a list of tensors of the shape (): save torch.stack(list), as (samples, D)."),
        ([torch.zeros(3), torch.zeros(2)], "is ragged: a row has 2 numbers, the first has 3."),
        ([torch.zeros(3), torch.zeros(3).half()], "is a list of rows of float16 and float32: save all of them in one"),
        (torch.zeros(2, 3, 4), "has the shape (2, 3, 4): pool or flatten it to one embedding per row"),
        (torch.zeros(8), "has the shape (8,): save one embedding per row"),
        ({"z": torch.zeros(2, 3, 4)}, "z.pt::z has the shape (2, 3, 4): pool or flatten it"),
        ([[0.5, 10**400], [1, 2]], "holds numbers beyond any float"),
        ({}, "holds no tensor"),
    ],
)
def test_a_wrong_file_of_torch_says_what_it_holds(saved: Any, said: str, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "z.pt")
    assert said in refused(tmp_path / "z.pt")


def test_what_a_single_wrong_entry_is_is_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", np.zeros((2, 3, 4), np.float32))
    assert "has the shape (2, 3, 4): pool or flatten it" in refused(tmp_path / "z.npz")
    np.savez(tmp_path / "none.npz")
    assert "holds nothing that can be read: check what was saved in it." in refused(tmp_path / "none.npz")


def test_whole_numbers_in_a_list_of_lists_are_no_other_type(tmp_path: Path) -> None:
    torch.save([[0.5, 1.5], [1, 2]], tmp_path / "z.pt")
    assert torch.cat([*open_embeddings(f"{tmp_path}/z.pt").read(0, None)]).tolist() == [[0.5, 1.5], [1, 2]]


def columns(*names: str, **more: Any) -> dict[str, Any]:
    return {**{name: (Z[:, 0] + at).tolist() for at, name in enumerate(names)}, **more}


@pytest.mark.parametrize(
    "content",
    [
        columns("x0", "x1", "x2"),
        columns("2", "1", "0"),
        columns("dim_1", "dim_2", "score"),
        {"data": columns("x0", "x1")},
        columns("score", id=[*range(6)]),
        columns("score", id=[*range(1, 7)]),
        columns("a", "b", label=[0, 1, 1, 0, 2, 2]),
    ],
)
def test_columns_in_json_are_not_read_as_rows(content: Any, tmp_path: Path) -> None:
    (tmp_path / "z.json").write_text(json.dumps(content))
    said = refused(tmp_path / "z.json")
    assert "could be rows or columns: save rows as a list of lists, and columns as .csv or .parquet." in said


@pytest.mark.parametrize(
    "names",
    [[*map(str, range(6))], ["7", "3"], ["cat", "dog1", "dog2", "ox"], ["cat1.jpg", "cat2.jpg"], ["9" * 5000, "1"]],
)
def test_vectors_by_names_that_count_no_columns_are_rows(names: list[str], tmp_path: Path) -> None:
    (tmp_path / "z.json").write_text(json.dumps({name: Z[at].tolist() for at, name in enumerate(names)}))
    file = open_embeddings(f"{tmp_path}/z.json")
    assert torch.equal(torch.cat([*file.read(0, None)]), torch.from_numpy(Z[: len(names)]))


@pytest.mark.parametrize("vectors", [{"img0": [0.5] * 9, "img1": [1.5] * 9}, {"a": [0.5, 0.1, 0.2], "b": [0, 1, 0]}])
def test_few_images_that_are_counted_and_a_vector_of_zeros_and_ones_are_rows(
    vectors: dict[str, list[float]], tmp_path: Path
) -> None:
    (tmp_path / "z.json").write_text(json.dumps(vectors))
    assert len(torch.cat([*open_embeddings(f"{tmp_path}/z.json").read(0, None)])) == 2


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_a_whole_number_beyond_any_float_is_one_sentence(ending: str, tmp_path: Path) -> None:
    rows = [f"[0.5, {10**400}]", "[1, 2]"]
    (tmp_path / f"z.{ending}").write_text(f"[{', '.join(rows)}]" if ending == "json" else "\n".join(rows))
    assert "holds a whole number beyond any float: rescale the numbers." in refused(tmp_path / f"z.{ending}")


def test_shards_of_bytes_beside_floats_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", Z.astype(np.float32))
    np.save(tmp_path / "b.npy", (Z * 50).astype(np.int8))
    said = "b.npy holds int8, {0}/a.npy holds float32: pass files of one kind of numbers."
    assert refused(f"{tmp_path}/*.npy").endswith(said.format(tmp_path))


def test_a_column_of_labels_is_known_by_its_file_and_not_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fullrank.clusters.shards import parts

    monkeypatch.chdir(tmp_path)
    for at in range(2):
        Path(f"p{at}.csv").write_text("a,b,y\n0.1,0.2,0.5\n0.3,0.4,1.5\n")
    labels = [f"{tmp_path}/p*.csv::y"]
    file = open_embeddings("p*.csv", without=labels)
    assert file.dims == 2
    assert [open_embeddings(shard.place, without=shard.without).dims for shard in parts(file, labels)] == [2, 2]
    assert own_columns([Path("p0.csv"), Path("none.csv")], labels) == [("y",), ()]


@pytest.mark.parametrize("place", ["encoder", "encoder_sha256", "root"])
def test_files_of_two_encoders_or_of_two_folders_of_images_are_not_described_as_one(place: str, tmp_path: Path) -> None:
    for name in "ab":
        about = {"encoder": "run", "encoder_sha256": "0", "root": "/data"} | {place: name}
        table = Table(2, 3, lambda: iter([np.ones((2, 3), np.float32)]), {"name": ["1.png", "2.png"]}, about)
        write_embeddings(tmp_path / f"s-{name}.parquet", table)
    with pytest.raises(UserError, match=rf"s-b\.parquet names b as its {place}, .*s-a\.parquet names a: pass files"):
        described(f"{tmp_path}/s-*.parquet")
