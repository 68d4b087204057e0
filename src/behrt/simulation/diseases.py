"""The table of simulated diseases: who gets them, at what age, and how they are recorded."""

from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.simulation.parameter_tables import read_table

TABLE = Path(__file__).with_name("diseases.csv")

ONCE, CHRONIC, RECURRENT = "once", "chronic", "recurrent"
MALE, FEMALE = 1, 2


class DiseaseSchema(dy.Schema):
    """One row per disease, sorted by name (code point order).

    Attributes:
        name, chapter: CALIBER's phenotype and category.
        sex: who can get it: both, female or male.
        female_to_male: ratio of the lifetime risks.
        lifetime_risk: share of people, of the sexes that can get it, who get it in a long life.
        onset_mean, onset_spread: of the normal distribution of the age of onset, above 0, in years.
        childhood_share: share of onsets that are in childhood, outside that distribution.
        pattern: how it is recorded after its onset. `once`: rarely again, and soon; `recurrent`: in
            flare-ups; `chronic`: at the patient's regular reviews.
        interval_months: mean time to the next recording.
        refractory_months: shortest time to the next recording.
        continues: probability that another recording follows.
        hospital_share: share of onsets and flare-ups that are admissions.
        admissions_per_year: further admissions for a chronic disease.
        fatality: probability of death from it, after `fatal_lag_years` on average.
        published_share: share of the paper's T2 patients who have it as a label.
        source: of the numbers.
    """

    name = dy.String(primary_key=True)
    chapter = dy.String()
    sex = dy.Enum(["both", "female", "male"])
    female_to_male = dy.Float64(min_exclusive=0)
    lifetime_risk = dy.Float64(min_exclusive=0, max=0.95)
    onset_mean = dy.Float64(min=0, max=100)
    onset_spread = dy.Float64(min_exclusive=0)
    childhood_share = dy.Float64(min=0, max=1)
    pattern = dy.Enum([ONCE, CHRONIC, RECURRENT])
    interval_months = dy.Float64(min_exclusive=0)
    refractory_months = dy.Float64(min=0)
    continues = dy.Float64(min=0, max=1)
    hospital_share = dy.Float64(min=0, max=1)
    admissions_per_year = dy.Float64(min=0)
    fatality = dy.Float64(min=0, max=1)
    fatal_lag_years = dy.Float64(min=0)
    published_share = dy.Float64(min=0, max=1, nullable=True)
    source = dy.String(min_length=1)

    @dy.rule()
    def interval_exceeds_refractory_time(cls) -> pl.Expr:
        return pl.col("interval_months") > pl.col("refractory_months")


def read_diseases(path: Path = TABLE) -> dy.DataFrame[DiseaseSchema]:
    """Read the table of diseases, sorted by name.

    Raises:
        InputError: a value is missing or out of range, or a name occurs twice.
    """
    return read_table(DiseaseSchema, path, "diseases", lambda read: read.sort("name"))


def risk_by_sex(diseases: pl.DataFrame) -> np.ndarray:
    """Return float64 (2, diseases): lifetime risk of males, then females.

    For a disease of both sexes, the mean of the two is `lifetime_risk`. For a disease of one sex,
    that sex has `lifetime_risk` and the other 0.
    """
    risk = diseases["lifetime_risk"].to_numpy()
    ratio = diseases["female_to_male"].to_numpy()
    sex = diseases["sex"].cast(pl.String).to_numpy()
    male = np.select([sex == "male", sex == "female"], [risk, 0.0], 2 * risk / (1 + ratio))
    female = np.select(
        [sex == "female", sex == "male"], [risk, 0.0], 2 * risk * ratio / (1 + ratio)
    )
    risks: np.ndarray = np.minimum(np.stack([male, female]), 0.95)
    return risks
