import polars as pl
import pytest

from behrt.caliber.icd import at_level_4


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("I21.9", "I219"),
        ("i219", "I219"),
        (" I21.9 ", "I219"),
        ("I10", "I10"),
        ("I10X", "I10"),
        ("N23.X", "N23"),
        ("M54.50", "M545"),
        ("G59.0D", "G590"),
        ("I60.A", "I60A"),
        ("-.", None),
        ("", None),
        ("I1", None),
        ("121", None),
        (None, None),
    ],
)
def test_a_code_comes_to_level_4(written: str | None, code: str | None) -> None:
    frame = pl.DataFrame({"code": [written]}, schema={"code": pl.String})
    assert frame.select(at_level_4(pl.col("code"))).item() == code
