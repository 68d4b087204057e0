import polars as pl
import pytest

from behrt.caliber.read_codes import of_a_record


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("C10F.00", "C10F.00"),
        ("C10F.", "C10F."),
        ("7004300", "7004300"),
        ("G20", "G20.."),
        ("C10F.00-Type 2 diabetes mellitus", "C10F.00"),
        ("C10F.00 - Type 2 diabetes mellitus", "C10F.00"),
        ("H33.. Asthma", "H33.."),
        ("H33 Asthma", "H33.."),
        ("Read:H33..00", "H33..00"),
        ("Read v2: G20", "G20.."),
        ("g1A..00", "g1A..00"),
        ("C34-1", None),  # EMIS's own synonym of C34
        ("C34 1", None),
        ("EMISNQGO1", None),
        ("^ESCT1234", None),
        ("", None),
        (None, None),
    ],
)
def test_forms_of_a_record(written: str | None, code: str | None) -> None:
    frame = pl.DataFrame({"code": [written]}, schema={"code": pl.String})
    assert frame.select(of_a_record(pl.col("code"))).item() == code
