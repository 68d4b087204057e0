from pathlib import Path

import polars as pl
import pytest

from behrt.cprd.sharded_rows import write_sharded


@pytest.mark.parametrize("shards", [1, 3, None])
def test_rows_that_are_moved_to_disk_are_written_as_rows_in_memory(
    tmp_path: Path, shards: int | None
) -> None:
    schema = {"patid": pl.Int64, "icd": pl.String}
    draw = pl.Series(range(90)).shuffle(seed=1)
    frame = pl.DataFrame({"patid": draw % 20, "icd": (draw % 7).cast(pl.String)}, schema=schema)
    frame = frame.with_columns(pl.col("icd").replace("3", None))
    pieces = [frame[start : start + 10] for start in range(0, 90, 10)]
    write_sharded([frame], tmp_path / "whole", schema, shards)
    for held_bytes in (0, 200):
        write_sharded(iter(pieces), tmp_path / "pieces", schema, shards, held_bytes)
        assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()
    written = pl.read_parquet(tmp_path / "whole").select("patid", "icd")
    assert written.sort(pl.all()).equals(frame.sort(pl.all()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pieces", "whole"]
