"""Sex-specific diseases, predicted to both sexes (paper, Results, "gender analysis"; Table S7)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt.caliber.sex_specific import SEXES, SexSpecific
from behrt.disclosure import Rules, hide_parts, is_small, with_shares
from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap, interval
from behrt.evaluation.grouped_scores import EXPOSED, group_counts, kind_of, publishable
from behrt.evaluation.patients import multi_hot, read_held_out
from behrt.evaluation.rankings import disease_metrics, resampled_aurocs
from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.logs import progress

INTEGERS = (
    "patients_own",
    "patients_other",
    "recorded_own",
    "recorded_other",
    "predicted_own",
    "predicted_other",
    "ranked_own",
    "ranked_other",
    "ranked_other_recorded",
)
AUROC = ("auroc", "auroc_low", "auroc_high")


def read_sexes(sequences: Sequence[Path], patients: pl.DataFrame) -> np.ndarray:
    """Return int8 (n): the sex of each patient, 0 unknown, 1 male, 2 female.

    Args:
        sequences: the shards.
        patients: subject_id.

    Raises:
        InputError: a patient is in no shard.
    """
    known = pl.scan_parquet(list(sequences)).select("subject_id", "sex")
    asked = patients.lazy().select("subject_id")
    joined = asked.join(known, on="subject_id", how="left", maintain_order="left")
    found = joined.collect()["sex"]
    if len(found) != len(patients) or found.null_count():
        raise InputError(
            "sequences", "a held-out patient is in no shard", "Run the rule task again"
        )
    return found.to_numpy()


def patients_by_sex(sequences: Sequence[Path], n_diseases: int) -> np.ndarray:
    """Return int64 (diseases, 3): patients of unknown, male and female sex with each disease.

    All patients of the cohort count, in every split.
    """
    counted = (
        pl.scan_parquet(list(sequences))
        .select("sex", code=pl.col("code").list.unique())
        .explode("code", empty_as_null=False)
        .group_by("code", "sex")
        .len()
        .collect(engine="streaming")
    )
    counts = np.zeros((n_diseases, 1 + len(SEXES)), dtype=np.int64)
    counts[counted["code"].to_numpy(), counted["sex"].to_numpy()] = counted["len"].to_numpy()
    return counts


def _part(found: int, of: int, threshold: int) -> int | None:
    """Return a count of some of `of` patients, None if it is hidden."""
    if of == 0 or is_small(np.array([of]), threshold).any():
        return None
    return None if hide_parts(np.array([found, of - found]), threshold).any() else found


def tabulate_model(
    patients: pl.DataFrame,
    sexes: np.ndarray,
    scores: np.ndarray,
    diseases: Sequence[SexSpecific],
    recorded: np.ndarray,
    score: float,
    ranks: int,
    bootstrap: Bootstrap,
    task: str,
    rules: Rules,
) -> pl.DataFrame:
    """Return one model's predictions of each sex-specific disease, to that sex and to the other.

    A disease is predicted to a patient if its score is at least `score`; it is ranked if fewer
    than `ranks` diseases have a higher one. The AUROC is that of the disease's score for the
    sex that can have it: one half if the score does not discriminate between the sexes. It is
    resampled by `behrt.evaluation.rankings.resampled_aurocs`.

    Args:
        patients: held-out patients with a label: label, known (what they had before).
        sexes: int8 (n), as `read_sexes` gives them. Patients of unknown sex are left out.
        scores: float32 (n, diseases).
        diseases: sex-specific ones.
        recorded: int64 (diseases, 3), as `patients_by_sex` gives it.
        score, ranks: the limits of these two rules.
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
        rules: which count of patients is too small to show, and how counts are rounded.

    Returns:
        One row per disease: disease, sex String; patients_own, patients_other: held-out patients of
        the disease's sex, and of the other; recorded_own, recorded_other: patients of the whole
        cohort with the disease in their history; predicted_own, predicted_other, ranked_own,
        ranked_other, each with its share and exact (Clopper and Pearson's) 95 % interval;
        ranked_other_recorded: patients of ranked_other with an earlier record of it; auroc,
        auroc_low, auroc_high. Null where undefined, or too few to be shown.
    """
    known = multi_hot(patients["known"], scores.shape[1])
    total = np.bincount(sexes, minlength=1 + len(SEXES))
    hidden = hide_parts(total, rules.threshold)
    known_sex = sexes > 0
    own_sex = np.array([disease.own for disease in diseases]) == sexes[:, np.newaxis]
    columns = [disease.disease for disease in diseases]
    resampled = resampled_aurocs(scores[:, columns], own_sex, known_sex, bootstrap, task)
    low, high = interval(resampled) if len(diseases) else (np.empty(0), np.empty(0))
    rows = []
    for column, disease in enumerate(diseases):
        own, other = own_sex[:, column], sexes == disease.other
        chosen = scores[:, disease.disease]
        predicted = chosen >= score
        ranked = (scores > chosen[:, np.newaxis]).sum(axis=1) < ranks
        row: dict[str, object] = {"disease": disease.name, "sex": disease.sex}
        for side, group, number in (("own", own, disease.own), ("other", other, disease.other)):
            n = int(total[number])
            row[f"patients_{side}"] = None if hidden[number] else n
            count = recorded[disease.disease, number]
            row[f"recorded_{side}"] = None if is_small(count, rules.threshold) else int(count)
            for what, rule in (("predicted", predicted), ("ranked", ranked)):
                row[f"{what}_{side}"] = _part(int((rule & group).sum()), n, rules.threshold)
        before = int((ranked & other & known[:, disease.disease]).sum())
        parts = np.array([before, int((ranked & other).sum()) - before])
        shown = row["ranked_other"] is not None and not hide_parts(parts, rules.threshold).any()
        row["ranked_other_recorded"] = before if shown else None
        if not hidden[[disease.own, disease.other]].any():
            separation = float(disease_metrics(chosen[known_sex], own[known_sex])[1][0])
            ends = np.array([low[column], high[column]])
            groups = group_counts(own[known_sex], chosen[known_sex])
            if groups is not None:
                exact, separation = separation, publishable(groups, rules, both=False)[1]
                exposed = kind_of(groups, rules.threshold) == EXPOSED
                ends += np.nan if exposed else separation - exact
            row |= dict(zip(AUROC, (separation, *ends), strict=True))
        rows.append(row)
    table = pl.DataFrame(
        rows,
        schema={
            "disease": pl.String,
            "sex": pl.String,
            **dict.fromkeys(INTEGERS[:4], pl.Int64),
            **{
                f"{what}_{side}{end}": pl.Float64 if end else pl.Int64
                for what in ("predicted", "ranked")
                for side in ("own", "other")
                for end in ("", "_share", "_share_low", "_share_high")
            },
            "ranked_other_recorded": pl.Int64,
            **dict.fromkeys(AUROC, pl.Float64),
        },
    )
    return with_shares(table).with_columns(pl.col(*AUROC).fill_nan(None).round(DECIMALS))


def tabulate(
    examples: Path,
    scores: Sequence[Path],
    sequences: Sequence[Path],
    n_diseases: int,
    diseases: Sequence[SexSpecific],
    task: str,
    score: float,
    ranks: int,
    bootstrap: Bootstrap,
    rules: Rules,
) -> pl.DataFrame:
    """Return the rows of all models, with one model in memory at a time.

    Args:
        examples: of the task.
        scores: predictions of each model, <model>.parquet.
        sequences: the shards.
        n_diseases: the number of phenotypes.
        diseases, task, score, ranks, bootstrap, rules: as `tabulate_model` takes them.

    Returns:
        model String, and the columns of `tabulate_model`.
    """
    recorded = patients_by_sex(sequences, n_diseases)
    sexes = None
    parts = []
    with progress(total=len(scores), label="sex-specific diseases", unit="models") as bar:
        for path in scores:
            patients, predicted = read_held_out(examples, path, n_diseases)
            sexes = read_sexes(sequences, patients) if sexes is None else sexes
            part = tabulate_model(
                patients,
                sexes,
                predicted,
                diseases,
                recorded,
                score,
                ranks,
                bootstrap,
                task,
                rules,
            )
            parts.append(with_facts(part, model=path.stem))
            bar.update(1)
    return pl.concat(parts)
