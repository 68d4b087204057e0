"""Compare labels of outcomes with those that ACES extracts from the same MEDS dataset.

ACES (Xu et al., https://github.com/justin13601/ACES) is an independent implementation of labels:
`pip install es-aces`, in an environment of its own or in this one. Three outcomes are labelled
after every discharge from hospital in a run that has made its admissions (`snakemake outcomes`):

    python benchmarks/aces.py results/demo --aces aces-cli

ACES has no rule for follow-up that is too short, so it extracts twice: predictions with the event
or death in the window, and those without the end of follow-up in it. The two together are compared.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import yaml

from behrt.admissions import Stays
from behrt.files import read_json
from behrt.outcomes.labels import label_shard
from behrt.sequences.frames import Sequences
from behrt.sequences.sequences import read_events
from behrt.settings.outcomes import OutcomeSettings

DISCHARGE, EMERGENCY, ADMISSION = (
    "HOSPITAL_DISCHARGE",
    "HOSPITAL_ADMISSION//E",
    "HOSPITAL_ADMISSION",
)
OUTCOMES = {
    "disease": (OutcomeSettings(disease="Heart failure", days=365, index="discharge"), "disease"),
    "death": (OutcomeSettings(event="death", days=365, index="discharge"), "death"),
    "readmission": (
        OutcomeSettings(event="emergency_admission", days=30, index="discharge"),
        "emergency",
    ),
}
PREDICATES = {
    "discharge": {"code": DISCHARGE},
    "emergency": {"code": EMERGENCY},
    "death": {"code": "MEDS_DEATH"},
    "disease": {"code": "CALIBER//Heart failure"},
    "diagnosis": {"code": {"regex": "^CALIBER//.*"}},
    "end": {"code": "FOLLOW_UP//END"},
}


def with_stays(events: pl.DataFrame, stays: pl.DataFrame) -> pl.DataFrame:
    """Return MEDS events with admissions and discharges in follow-up, which the dataset lacks."""
    ends = events.filter(pl.col("code").is_in(["FOLLOW_UP//START", "FOLLOW_UP//END"]))
    window = ends.group_by("subject_id").agg(first=pl.col("time").min(), last=pl.col("time").max())
    codes = {
        "admitted": pl.when("emergency").then(pl.lit(EMERGENCY)).otherwise(pl.lit(ADMISSION)),
        "discharged": pl.lit(DISCHARGE),
    }
    made = [
        stays.drop_nulls(day)
        .select("subject_id", time=pl.col(day).cast(pl.Date).cast(pl.Datetime("us")), code=code)
        .join(window, on="subject_id")
        .filter(pl.col("time").is_between("first", "last"))
        .select("subject_id", "time", "code")
        for day, code in codes.items()
    ]
    return pl.concat([events, *made]).sort("subject_id", "time", "code", nulls_last=False)


def extracted(
    folder: Path, data: Path, event: str, days: int, known: bool, program: str
) -> pl.DataFrame:
    """Return subject_id, prediction_time and boolean_value by ACES.

    `known` extracts predictions with the event or death in the window, otherwise those without the
    end of follow-up before its last day.
    """
    name = f"{event}_{known}"
    window = {"start": "trigger", "start_inclusive": False, "end": f"start + {days}d"}
    target = {**window, "end_inclusive": True, "label": event, "index_timestamp": "start"}
    windows = {
        "history": {
            "start": None,
            "end": "trigger",
            "start_inclusive": True,
            "end_inclusive": True,
            "has": {"death": "(None, 0)", "diagnosis": "(1, None)"},
        },
        "target": target | ({"has": {"known": "(1, None)"}} if known else {}),
    }
    if not known:
        until = {"start_inclusive": True, "end_inclusive": False, "has": {"end": "(None, 0)"}}
        windows["followed"] = {**window, **until}
    either = {"expr": f"or({event}, death)" if event != "death" else "or(death, death)"}
    task = {"predicates": {**PREDICATES, "known": either}, "trigger": "discharge"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**task, "windows": windows}))
    arguments = [f"cohort_name={name}", f"cohort_dir={folder}", "data.standard=meds"]
    done = subprocess.run(
        [program, *arguments, f"data.path={data}", f"hydra.run.dir={folder / 'hydra'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    columns = ["subject_id", "prediction_time", "boolean_value"]
    return pl.read_parquet(folder / f"{name}.parquet").select(columns)


def main() -> None:
    """Print, for each outcome, how many labels the two have, and in how many they agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="results/<run>")
    parser.add_argument("--aces", default="aces-cli", help="the program of es-aces")
    given = parser.parse_args()
    run, keys = given.run, ["subject_id", "prediction_time", "boolean_value"]
    phenotypes = read_json(run / "vocabulary.json")["phenotypes"]
    shards = sorted((run / "sequences").glob("*.parquet"))
    for name, (outcome, event) in OUTCOMES.items():
        ours, theirs = [], []
        for shard in shards:
            events = read_events(run / "meds" / "data" / shard.name)
            stays = Stays.validate(pl.read_parquet(run / "admissions" / shard.name))
            frame, _ = label_shard(
                Sequences.validate(pl.read_parquet(shard)), events, stays, outcome, phenotypes,
                name, seed=1,
            )  # fmt: skip
            ours.append(frame.filter("complete").select(keys))
            with tempfile.TemporaryDirectory() as folder:
                data = Path(folder) / "data.parquet"
                columns = pl.lit(None, pl.Float32).alias("numeric_value")
                with_stays(events, stays).with_columns(columns).write_parquet(data)
                assert outcome.days is not None
                found = [
                    extracted(Path(folder), data, event, outcome.days, known, given.aces)
                    for known in (True, False)
                ]
                theirs.append(pl.concat(found).unique())
        own = pl.concat(ours).cast({"boolean_value": pl.Int64})
        other = pl.concat(theirs).cast({"boolean_value": pl.Int64, "subject_id": pl.Int64})
        other = other.with_columns(pl.col("prediction_time").cast(pl.Datetime("us")))
        agree = own.join(other, on=keys).height
        positive = [int(frame["boolean_value"].sum()) for frame in (own, other)]
        print(
            f"{name}: {own.height} labels here and {other.height} by ACES, {positive[0]} and "
            f"{positive[1]} with the event; {agree} agree"
        )


if __name__ == "__main__":
    main()
