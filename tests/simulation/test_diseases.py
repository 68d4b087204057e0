"""The table of diseases and the risk graph."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.errors import InputError
from behrt.simulation import risks as graph
from behrt.simulation.diseases import TABLE, read_diseases, risk_by_sex
from behrt.simulation.risks import make_risks, read_known_risks, topological_order


@pytest.fixture(scope="module")
def diseases() -> pl.DataFrame:
    return read_diseases()


def test_the_table_has_301_phenotypes_in_16_chapters(diseases: pl.DataFrame) -> None:
    assert diseases["name"].to_list() == sorted(set(diseases["name"]))
    assert len(diseases) == 301
    assert diseases["chapter"].n_unique() == 16
    # The paper's 57 diseases except dyslipidaemia, which is not one of the 301.
    assert diseases["published_share"].count() == 56


def test_diseases_of_one_sex_have_no_risk_in_the_other(diseases: pl.DataFrame) -> None:
    male, female = risk_by_sex(diseases)
    sex = diseases["sex"].cast(pl.String).to_numpy()
    assert (male[sex == "female"] == 0).all()
    assert (female[sex == "male"] == 0).all()
    assert ((male > 0) | (female > 0)).all()
    both = (sex == "both") & (np.maximum(male, female) < 0.95)
    ratio = diseases["female_to_male"].to_numpy()
    np.testing.assert_allclose(female[both], (male * ratio)[both])
    assert {"Female infertility", "Primary Malignancy_Ovarian"} <= set(
        diseases["name"].to_numpy()[sex == "female"]
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [("lifetime_risk", "1.5"), ("sex", "neither"), ("refractory_months", "1000"), ("source", "")],
)
def test_a_value_out_of_range_is_refused(tmp_path: Path, column: str, value: str) -> None:
    table = pl.read_csv(TABLE, infer_schema=False)
    changed = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit(value)).otherwise(pl.col(column))
    path = tmp_path / "diseases.csv"
    table.with_columns(changed.alias(column)).write_csv(path)
    with pytest.raises(InputError, match=r"diseases\.csv"):
        read_diseases(path)


def test_a_disease_named_twice_is_refused(tmp_path: Path) -> None:
    table = pl.read_csv(TABLE, infer_schema=False)
    path = tmp_path / "diseases.csv"
    pl.concat([table, table[:1]]).write_csv(path)
    with pytest.raises(InputError, match="primary_key"):
        read_diseases(path)


def test_the_graph_has_every_known_risk_and_no_cycle(diseases: pl.DataFrame) -> None:
    risks = make_risks(diseases)
    known = read_known_risks(diseases)
    pairs = set(risks.select("parent", "child").iter_rows())
    assert len(pairs) == len(risks)
    assert set(known.select("parent", "child").iter_rows()) == set(
        risks.filter("known").select("parent", "child").iter_rows()
    )
    order = topological_order(diseases, risks["parent"].to_numpy(), risks["child"].to_numpy())
    place = np.argsort(order)
    assert (place[risks["parent"].to_numpy()] < place[risks["child"].to_numpy()]).all()
    assert risks["probability"].is_between(0, 0.75, closed="right").all()
    name = diseases["name"].to_list()
    assert (name.index("Diabetes"), name.index("Diabetic ophthalmic complications")) in pairs


def test_only_random_risks_depend_on_the_seed(diseases: pl.DataFrame) -> None:
    one, same, other = make_risks(diseases, 1), make_risks(diseases, 1), make_risks(diseases, 2)
    assert one.equals(same)
    assert not one.equals(other)
    columns = ["parent", "child", "probability"]
    assert (
        one.filter("known")
        .select(columns)
        .sort(columns)
        .equals(other.filter("known").select(columns).sort(columns))
    )


def test_risks_connect_diseases_that_one_person_can_have(diseases: pl.DataFrame) -> None:
    risk = risk_by_sex(diseases) > 0
    risks = make_risks(diseases)
    together = risk[:, risks["parent"].to_numpy()] & risk[:, risks["child"].to_numpy()]
    assert together.any(axis=0).all()


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_topological_order_respects_any_graph_or_refuses_a_cycle(
    pairs: list[tuple[int, int]],
) -> None:
    table = pl.DataFrame({"name": list("abcdefgh"), "onset_mean": [9.0, 1, 8, 2, 7, 3, 6, 4]})
    parent = np.array([p for p, _ in pairs], dtype=np.int64)
    child = np.array([c for _, c in pairs], dtype=np.int64)
    reach = np.eye(8, dtype=bool)
    step = np.zeros((8, 8), dtype=bool)
    step[parent, child] = True
    for _ in range(8):
        reach |= reach @ step
    circular = (step & reach.T).any()
    if circular:
        with pytest.raises(InputError, match="cycle"):
            topological_order(table, parent, child)
        return
    order = topological_order(table, parent, child)
    assert sorted(order.tolist()) == list(range(8))
    place = np.argsort(order)
    assert (place[parent] < place[child]).all()


def test_a_risk_of_an_unknown_disease_is_refused(diseases: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "risks.csv"
    path.write_text(graph.TABLE.read_text() + "Housemaid's knee,Gout,0.1,2\n")
    with pytest.raises(InputError, match="Housemaid"):
        read_known_risks(diseases, path)
