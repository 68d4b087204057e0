"""The report of a delivery's check as lines of text."""

from collections.abc import Iterator, Mapping
from typing import Any

_HIDDEN = "few"


def as_text(report: Mapping[str, Any]) -> str:
    """Return a report of `behrt.cprd.check.report.check` as lines of text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    sample = report["sample"]
    yield "Check of the delivery"
    yield (
        f"Read: {', '.join(sample['tables_read_whole'])} whole; of every other file the first "
        f"{sample['megabytes_a_file']:g} MB of text, or a sixteenth of that if the run does not "
        "need it."
    )
    yield ""
    yield from _tables(report["tables"])
    others = report["not_recognised"]
    if others["files"]:
        more = ", …" if others["files"] > len(others["first"]) else ""
        names = ", ".join(others["first"]) + more
        yield f"Not recognised, not read: {others['files']} files ({names})"
    yield ""
    yield from _codes(report["codes"])
    yield from _concepts(report["concepts"])
    yield ""
    yield from _cohort(report["cohort"])
    yield ""
    yield from _needs(report["needs"])
    yield ""
    for kind in ("errors", "warnings"):
        found = report[kind]
        yield f"{kind.capitalize()}: {len(found) or 'none'}"
        yield from (f"  {index}. {text}" for index, text in enumerate(found, start=1))
    yield ""
    yield (
        "Ready: the check found nothing that would stop a run."
        if report["ready"]
        else "Not ready: correct the errors, then check again."
    )


def _tables(source_tables: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'table':<24}{'parts':>6}{'size':>10}{'as text':>10}{'rows':>16}  recognised"
    for source_table, entry in source_tables.items():
        about = "" if entry["rows_are"] == "counted" else "~"
        found = [f"{column} {' or '.join(labels)}" for column, labels in entry["formats"].items()]
        if len(entry["layouts"]) == 1:
            found.insert(0, f"{len(entry['layouts'][0]['columns'])} columns")
        else:
            found.insert(0, f"{len(entry['layouts'])} layouts")
        if entry["unknown_columns"]:
            found.append(f"unknown columns {', '.join(entry['unknown_columns'])}")
        found += [
            f"refused, {why}: {_share(share)}" for why, share in entry["refused_share"].items()
        ]
        yield (
            f"{source_table:<24}{entry['parts']:>6}{_size(entry['file_bytes']):>10}"
            f"{_size(entry['text_bytes']):>10}{about + _count(entry['rows']):>16}  "
            f"{'; '.join(found)}"
        )


def _codes(codes: Mapping[str, Any]) -> Iterator[str]:
    if not codes:
        yield "Codes mapped: not counted, because there are no code lists or no diagnoses."
    for system, entry in codes.items():
        yield (
            f"Codes, {system}: {_share(entry['rows_with_a_code'])} of the rows read have one, "
            f"{_share(entry['rows_mapped'])} of these are mapped to a disease; of "
            f"{_count(entry['codes_seen'])} different codes {_share(entry['codes_mapped'])}"
        )


def _concepts(concepts: Mapping[str, Any]) -> Iterator[str]:
    for concept, entry in concepts.items():
        shares = (f"{outcome} {_share(share)}" for outcome, share in entry["shares"].items())
        yield (
            f"{concept.capitalize()}: of {_count(entry['rows_read'])} records read, "
            f"{', '.join(shares) or 'none'}"
        )


def _cohort(cohort: Mapping[str, Any]) -> Iterator[str]:
    for step in cohort.get("steps", ()):
        yield f"{step['step'] + ':':<44}{_count(step['patients']):>14} patients"
    if cohort.get("counted"):
        yield f"Expected cohort: {_count(cohort['expected'])} patients ({cohort['why']})"
        return
    if cohort["expected"] is None:
        yield f"Expected cohort: {cohort['why']}"
    else:
        low, high = (_count(value) for value in cohort["interval"])
        yield (
            f"{cohort['last_step']}: expected {_count(cohort['expected'])} patients, 95 % interval "
            f"{low} to {high}; {cohort['why']}."
        )
        yield (
            "  The interval only covers chance. Visits outside the sample do not count, so the "
            "number is rather too low; and the start of a file can differ from the rest of it."
        )
    if "at_most" in cohort:
        yield (
            f"  Certainly at least {_count(cohort['at_least'])}, at most "
            f"{_count(cohort['at_most'])}."
        )


def _needs(needs: Mapping[str, Any]) -> Iterator[str]:
    yield f"A full run needs about {_size(needs['disk_bytes'])} of disk ({needs['disk_basis']})."
    yield (
        f"A job needs about {_size(needs['memory_bytes_a_job'])} of memory with "
        f"shards: {needs['shards']} ({needs['memory_basis']}). With shards: "
        f"{needs['shards_for_4_GB_a_job']} or more it stays under 4 GB. A training job holds all "
        f"patients, and needs about {_size(needs['memory_bytes_a_training'])}."
    )


def _size(count: float) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _count(value: int | None) -> str:
    return _HIDDEN if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return _HIDDEN if value is None else f"{value:.1%}"
