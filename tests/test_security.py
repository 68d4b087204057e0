"""What bad input must not do: run code, leave its folder, or speak to a terminal, table or page."""

import ast
import io
import pickle
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from behrt.caliber.lists import read_lists
from behrt.errors import InputError
from behrt.evaluation import neighbours
from behrt.figures import diseases, embedding_map
from behrt.figures.style import save
from behrt.files import read_csv, write_csv
from behrt.learning import artefacts, checkpoint
from behrt.sequences.vocabulary import Vocabulary
from behrt.sources.codes import Codes
from behrt.sources.meds import read_metadata
from behrt.sources.words import CodeListFiles, make_words

REPOSITORY = Path(__file__).parents[1]
UNPICKLERS = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
}
RUNNERS = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def written(node: ast.expr) -> str:
    """Return a dotted name as it is written; empty for what is none."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def unsafe(code: str) -> Iterator[str]:
    """Yield each use of what could run a file's content as code, with its line."""
    for node in ast.walk(ast.parse(code)):
        line = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            modules = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules = {(node.module or "").split(".")[0]}
            modules |= {f"{node.module}.{alias.name}" for alias in node.names} & SHELLS
        else:
            modules = set()
        yield from (f"{line}: {name}" for name in sorted(modules & (UNPICKLERS | SHELLS)))
        if not isinstance(node, ast.Call):
            continue
        called = written(node.func)
        options = {keyword.arg: keyword.value for keyword in node.keywords}

        def says(name: str, value: object, options: dict[Any, ast.expr] = options) -> bool:
            given = options.get(name)
            return isinstance(given, ast.Constant) and given.value is value

        if called.removeprefix("builtins.") in RUNNERS or called in SHELLS:
            yield f"{line}: {called}"
        if called.endswith("torch.load") and not says("weights_only", True):
            yield f"{line}: torch.load without weights_only=True"
        if "allow_pickle" in options and not says("allow_pickle", False):
            yield f"{line}: allow_pickle"
        if "shell" in options and not says("shell", False):
            yield f"{line}: shell"
        if called.endswith(("read_pickle", "load_module", "extractall", "unpack_archive")):
            yield f"{line}: {called}"
        if (
            called.endswith(("jinja2.Environment", "jinja2.Template"))
            and "autoescape" not in options
        ):
            yield f"{line}: {called} without autoescape"
        if called.endswith(("yaml.load", "yaml.unsafe_load", "yaml.full_load")):
            yield f"{line}: {called}"


def test_no_program_runs_what_it_reads() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}: {use}"
        for folder in ("src", "scripts", "benchmarks")
        for path in (REPOSITORY / folder).rglob("*.py")
        for use in unsafe(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_no_rule_runs_what_it_reads() -> None:
    for path in (REPOSITORY / "workflow" / "Snakefile", *(REPOSITORY / "rules").glob("*.smk")):
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        names = {token.string for token in tokens if token.type == tokenize.NAME}
        assert not names & {*UNPICKLERS, *RUNNERS, "system", "popen"}, path.name


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import os\nos.system('ls')",
        "from os import system",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=chosen)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
        "builtins.exec(text)",
        "subprocess.run(text, shell=True)",
        "archive.extractall(folder)",
        "jinja2.Environment(loader=loader)",
    ],
)
def test_what_is_unsafe_is_found(code: str) -> None:
    assert list(unsafe(code))


def test_what_is_safe_is_left_alone() -> None:
    code = "model.eval()\ntorch.load(path, weights_only=True)\nre.compile(text)\nyaml.safe_load(t)"
    assert list(unsafe(code)) == []


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("by_torch", [True, False])
def test_a_checkpoint_that_holds_a_program_is_not_run(tmp_path: Path, by_torch: bool) -> None:
    made = tmp_path / "made"
    state = {"fingerprint": "f", "model": Payload(made)}
    path = tmp_path / artefacts.CHECKPOINT
    if by_torch:
        torch.save(state, path)
    else:
        path.write_bytes(pickle.dumps(state, protocol=2))
    assert checkpoint.load(tmp_path, "f") is None
    assert not made.exists()
    if by_torch:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert made.exists(), "the program is none"


NAMES = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2-3",
    "@SUM(A1)",
    "'=1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]><x>",
    "-- -->",
    "../../../../etc/passwd",
    "C:\\Windows\\x",
    "$\\frac{",
    "\\undefined{",
    "{{7*7}}${7*7}%s{0}",
    "a,b;c|d",
    'say "no"',
    "' OR 1=1 --",
    "PAD",
    "[MASK]",
    "null",
    "NaN",
    "x" * 200,
)
VOCABULARY = Vocabulary(tuple(sorted(NAMES)), tuple(sorted(NAMES)))


def texts(table: pl.DataFrame) -> list[str]:
    return [value for column in table.select(pl.col(pl.String)) for value in column if value]


def test_names_reach_a_table_as_text_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    n = len(NAMES)
    every = np.ones(n, dtype=bool)
    random = np.random.default_rng(2)
    table = neighbours.tabulate(random.random((n, 8)), VOCABULARY, every, every, 5)
    write_csv(table, tmp_path / "table.csv")
    raw = pl.read_csv(tmp_path / "table.csv", infer_schema=False)
    assert not [text for text in texts(raw) if text[0] in "=+-@\t\r" and not is_number(text)]
    assert any(text.startswith("'=cmd") for text in texts(raw))
    assert read_csv(tmp_path / "table.csv").equals(table)


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", text) is not None


@given(
    st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
)
def test_any_text_comes_back_from_a_table(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    text = pl.Series("name", ["name", *values], dtype=pl.String)
    frame = pl.DataFrame([text, pl.Series("number", range(len(text))) - 1])
    write_csv(frame, path)
    assert read_csv(path).equals(frame)


def test_names_reach_a_figure_as_text(tmp_path: Path) -> None:
    n = len(NAMES)
    random = np.random.default_rng(3)
    score = {name: random.random(n) for name in ("aps", "auroc", "prevalence")}
    facts = {"protocol": "strict", "task": "T2", "model": "<b>x</b>", "patients": 999}
    table = pl.DataFrame(
        {"disease": VOCABULARY.phenotypes, "chapter": VOCABULARY.chapters, **score}
    )
    table = table.with_columns(pl.lit(value).alias(name) for name, value in facts.items())
    drawn = {
        "diseases": diseases.draw_diseases(table, VOCABULARY.chapters),
        "map": embedding_map.draw_map(random.random((n, 2)), VOCABULARY, np.full(n, 100)),
    }
    for name, figure in drawn.items():
        save(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.svg", simulated=True)
        text = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        kinds = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
        assert not kinds & {"script", "img", "foreignObject", "a", "x"}
        assert "<script" not in text
        assert "<img" not in text


LISTS = {
    "dictionary.csv": "phenotype,CPRD,ICD,OPCS\nGout,a.csv,b.csv,\n",
    "phenotype_categories_mapping.csv": "Phenotype,Category\nGout,Joints\n",
    "primary_care/a.csv": "Readcode,Medcode\nC34..00,7\n",
    "secondary_care/b.csv": "ICD10code\nM10\n",
}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,../secret.csv,\n", "outside primary_care/"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,/etc/passwd,\n", "outside primary_care/"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,..\\x.csv,\n", "outside primary_care/"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,,C:x.csv\n", "outside secondary_care/"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,.,\n", "outside primary_care/"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,..,\n", "cannot be read"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,a\0.csv,\n", "cannot be read"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGo\x1b[2Jut,a.csv,\n", "cannot be shown"),
        ("dictionary.csv", 'phenotype,CPRD,ICD\n"Go\nut",a.csv,\n', "cannot be shown"),
        ("dictionary.csv", f"phenotype,CPRD,ICD\n{'x' * 201},a.csv,\n", "cannot be shown"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,,\n", "names 0 phenotypes"),
        ("primary_care/a.csv", f"Readcode,Medcode\n{'x' * 200_000},7\n", "cannot be read as CSV"),
        ("secondary_care/b.csv", f"ICD10code\nM10\n{'9' * 30_000}\n", ""),
        ("primary_care/a.csv", f"Readcode,Medcode\nC34..00,7\nx,{'9' * 400}\n", ""),
        ("primary_care/a.csv", '=1+1,Readcode,Medcode\n"=cmd",C34..00,7\n', ""),
    ],
)
def test_a_code_list_cannot_leave_its_folder_or_hurt(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / "secret.csv").write_text("Readcode,Medcode\nC34..00,8\n")
    folder = tmp_path / "lists"
    for path, usual in {**LISTS, name: text}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(usual)
    if not problem:
        assert read_lists(folder).medcodes["medcode"].to_list() == [7]
        return
    with pytest.raises(InputError, match=problem) as caught:
        read_lists(folder)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_a_pipe_is_no_code_list(tmp_path: Path) -> None:
    for path, text in LISTS.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "primary_care" / "a.csv").unlink()
    (tmp_path / "primary_care" / "a.csv").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="cannot be read"):
        read_lists(tmp_path)


def test_codes_that_cannot_be_shown_are_no_words_and_are_counted() -> None:
    codes = [*NAMES, "bell\a", "two\nlines", "\x1b]0;title\a", "‮hidden", "x" * 201]
    counts = pl.DataFrame({"code": codes, "rows": 50, "patients": 50})
    counts = counts.with_columns(concept=pl.lit(None, pl.Int64))
    words, listed, manifest = make_words(
        counts, Codes.read([], None, lists=False), CodeListFiles(), read_metadata(None), 10
    )
    assert words.drop_nulls("event")["event"].to_list() == sorted(f"CODE//{name}" for name in NAMES)
    assert listed.height == len(NAMES)
    assert manifest["cannot_be_shown"] == 5
    assert manifest["unmapped"] == 5


def test_an_error_says_nothing_to_the_terminal() -> None:
    error = InputError("a\x1b[31m.txt", "it\r\nis \x07odd‮", "Look")
    assert str(error) == "a [31m.txt: it  is  odd . Look."
