"""CoNLL files in the forms that are about."""

from pathlib import Path
from typing import Any

import pytest

from keraslike.data.conll import is_conll, read_conll
from keraslike.errors import ArgumentError, DataError, LoadError

SENTENCES = {"tokens": [["Ann", "ran", "."], ["#", "Bob"]], "tags": [["B-PER", "O", "O"], ["O", "B-PER"]]}

FORMS = {
    "tabs": "Ann\tB-PER\nran\tO\n.\tO\n\n#\tO\nBob\tB-PER\n",
    "spaces": "Ann B-PER\nran O\n. O\n\n# O\nBob B-PER\n",
    "no last newline": "Ann B-PER\nran O\n. O\n\n# O\nBob B-PER",
    "Windows": "\ufeffAnn\tB-PER\r\nran\tO\r\n.\tO\r\n\r\n#\tO\r\nBob\tB-PER\r\n",
    "many empty lines": "\n\nAnn B-PER\nran O\n. O\n\n \t\n\n# O\nBob B-PER\n\n",
    "DOCSTART": "-DOCSTART- -X- -X- O\n\nAnn NNP B-NP B-PER\nran VBD B-VP O\n. . O O\n\n# # O O\nBob NNP B-NP B-PER\n",
    "DOCSTART alone": "-DOCSTART- O\nAnn B-PER\nran O\n. O\n-DOCSTART- O\n# O\nBob B-PER\n",
    "comments": "# newdoc\n# id = 3\nAnn\t_\tB-PER\nran\t_\tO\n.\t_\tO\n\n# text = # Bob\n#\t_\tO\nBob\t_\tB-PER\n",
    "comments with a tab": "# id 5\tdomain=x\nAnn _ B-PER\nran _ O\n. _ O\n\n# id 6\tdomain=y\n# _ O\nBob _ B-PER\n",
    "aligned": "Ann   B-PER\nran   O\n.     O\n\n#     O\nBob   B-PER\n",
}


def write(folder: Path, text: str, name: str = "a.conll") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path):
    """The first column holds the words, the last one the tags, whatever stands between and around."""
    assert read_conll(write(tmp_path, FORMS[form])) == SENTENCES


def test_hashtags_are_words(tmp_path: Path):
    """A word that starts with # begins a sentence as any other does."""
    path = write(tmp_path, "#photography\tO\n#\tO\n\n#x O\n#= O\n")

    assert read_conll(path)["tokens"] == [["#photography", "#"], ["#x", "#="]]


def test_other_spaces_are_part_of_a_word(tmp_path: Path):
    """Only tabs, or spaces where there are none, part columns: a no-break space or a line separator does not."""
    path = write(tmp_path, "1\u00a0000 NUM\na\u2028b X\n\nNew York\tPLACE\n")

    assert read_conll(path) == {"tokens": [["1\u00a0000", "a\u2028b"], ["New York"]], "tags": [["NUM", "X"], ["PLACE"]]}


CONLLU = """# sent_id = 1
# text = Don't go.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
3.1\tgone\tgo\tVERB\tVB\t_\t_\t_\t_\t_
4\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_
"""


def test_conllu(tmp_path: Path):
    """In CoNLL-U the words are the second column and UPOS the fourth; ranges and omitted words are passed over."""
    path = write(tmp_path, CONLLU, "a.conllu")

    assert read_conll(path) == {"tokens": [["Do", "n't", "go", "."]], "tags": [["AUX", "PART", "VERB", "PUNCT"]]}
    assert read_conll(path, labels=4)["tags"] == [["VB", "RB", "VB", "."]]


@pytest.mark.parametrize(("words", "labels"), [(0, 1), (0, -3), (-4, 1)])
def test_columns_by_number(words: int, labels: int, tmp_path: Path):
    """Columns are counted from 0, or from the end."""
    path = write(tmp_path, FORMS["DOCSTART"])

    found = read_conll(path, words, labels)

    assert found == {"tokens": SENTENCES["tokens"], "tags": [["NNP", "VBD", "."], ["#", "NNP"]]}


def test_names_of_other_files_do_not_count(tmp_path: Path):
    """A column that was chosen by its name, elsewhere, has no meaning here."""
    assert read_conll(write(tmp_path, FORMS["tabs"]), "tokens", "ner_tags") == SENTENCES


def test_words_alone(tmp_path: Path):
    """To predict, the file may hold words only."""
    assert read_conll(write(tmp_path, "Ann\nran\n\nBob\n"), labelled=False) == {"tokens": [["Ann", "ran"], ["Bob"]]}


@pytest.mark.parametrize("text", ["", "\n\n", "-DOCSTART- O\n"])
def test_nothing_in_it(text: str, tmp_path: Path):
    """A file without a sentence gives no rows."""
    assert read_conll(write(tmp_path, text)) == {"tokens": [], "tags": []}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.conll", "", True),
        ("a.txt", "Ann O\n", True),
        ("a.CoNLLU", CONLLU, True),
        ("a.tsv", "Ann\tO\n", True),
        ("a.tsv", "tokens\tner_tags\nAnn ran\tPER O\n", False),
        ("a.tsv", "", True),
        ("a.csv", "words,tags\n", False),
    ],
)
def test_told_by_ending_and_header(name: str, text: str, expected: bool, tmp_path: Path):
    """A .tsv with a header that names a known column is a table."""
    assert is_conll(write(tmp_path, text, name), ("tokens", "words")) is expected


@pytest.mark.parametrize("x", ["Ann ran", "reviews.tsv", [["a"]], {"tokens": []}, None])
def test_other_data(x: Any):
    """What is no path of such a file is left to others."""
    assert not is_conll(x)


def test_no_such_file(tmp_path: Path):
    """A misspelt name is answered with the nearest one."""
    write(tmp_path, FORMS["tabs"], "train.conll")

    with pytest.raises(LoadError) as error:
        is_conll(tmp_path / "trian.conll")

    assert str(error.value).startswith(f"there is no file {str(tmp_path / 'trian.conll')!r}.\n  Expected: the path of ")
    assert str(error.value).endswith("Do: did you mean 'train.conll'?")


def test_no_such_folder(tmp_path: Path):
    """A misspelt folder is told, too."""
    with pytest.raises(LoadError, match="check the folder and the name"):
        is_conll(tmp_path / "no" / "train.conll")


def test_uneven_line(tmp_path: Path):
    """A line with a column more or less is named by its number."""
    path = write(tmp_path, "Ann B-PER\nran O\n.\n")

    with pytest.raises(DataError) as error:
        read_conll(path)

    assert str(error.value) == (
        f"line 3 of {str(path)!r} has 1 columns: '.'.\n"
        "  Expected: 2 columns, as most lines have, parted by tabs or spaces.\n"
        "  Do: mend the line; sentences are parted by an empty line."
    )


def test_no_labels(tmp_path: Path):
    """A file of words alone is refused where labels are wanted."""
    path = write(tmp_path, "Ann\nran\n")

    with pytest.raises(DataError) as error:
        read_conll(path)

    assert str(error.value) == (
        f"{str(path)!r} has words and labels in one column (1 in all).\n"
        "  Expected: a word and, in another column, its label on each line.\n"
        "  Do: check that this is the labelled file."
    )


def test_one_column_for_both(tmp_path: Path):
    """Words and labels cannot be the same column."""
    with pytest.raises(DataError, match="name the columns by number: text=0, target=1"):
        read_conll(write(tmp_path, FORMS["tabs"]), 1)


@pytest.mark.parametrize(("words", "labels", "said"), [(2, -1, "text=2"), (0, 5, "target=5"), (-3, -1, "text=-3")])
def test_no_such_column(words: int, labels: int, said: str, tmp_path: Path):
    """A number beyond the columns is refused with those that there are."""
    path = write(tmp_path, FORMS["tabs"])

    with pytest.raises(ArgumentError) as error:
        read_conll(path, words, labels)

    assert str(error.value) == (
        f"{said}, but {str(path)!r} has 2 columns.\n"
        "  Expected: a number from 0 to 1, or from the end -1 to -2.\n  Do: count the columns from 0."
    )


def test_other_encoding(tmp_path: Path):
    """A file that is no UTF-8 is refused in words."""
    path = tmp_path / "a.conll"
    path.write_bytes("Jos\u00e9 O\n".encode("latin-1"))

    with pytest.raises(DataError, match=r"cannot be read: 'utf-8' codec.*\n.*UTF-8"):
        read_conll(path)
