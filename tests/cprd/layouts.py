"""One small delivery in every layout that CPRD has shipped, of either database.

Rows come as the tests write them: dates as DD/MM/YYYY, years of birth less 1800, names and values
of `behrt.cprd.layout`. `write` turns them into a layout, and knows nothing of how it is read.
"""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from behrt.cprd.databases import DATABASES
from behrt.cprd.layout import SourceTable

WITH_TEXTID = MappingProxyType(
    dict.fromkeys(("clinical", "referral", "immunisation", "test", "therapy"), "A with textid")
)
WITH_SNOMED = MappingProxyType(
    dict.fromkeys(
        ("clinical", "additional", "referral", "immunisation", "test", "therapy"),
        "B",
    )
)


@dataclass(frozen=True)
class Layout:
    """How a delivery of some year was laid out.

    Attributes:
        name: of the layout.
        database: which of CPRD's it is of.
        generations: of the tables that are not of their first generation.
        dates, linked_dates: Python's format of dates, in the database's tables and in the linked
            ones.
        years: what is added to the delivered year of birth.
        practices: pracids, whose last `digits` digits end a patid.
        digits: see practices.
        prefix: before every column's name.
        upper: whether the header is in capitals.
        line_end: after every row.
        container: "zips", "loose" files, "folders" of loose files by table, zips with "outer
            names", or "one zip".
        hes: what linkage_coverage calls HES APC.
        dotted: whether ICD-10 codes have a dot.
        short: whether blanks at the end of a row are left out.
        filler: what the columns hold that nobody reads.
        deaths_again: whether a death has a second, later row.
    """

    name: str
    generations: Mapping[str, str] = field(default_factory=dict)
    dates: str = "%d/%m/%Y"
    linked_dates: str = "%d/%m/%Y"
    years: int = 0
    practices: tuple[int, ...] = (20001, 20002, 30007)
    digits: int = 5
    prefix: str = ""
    upper: bool = False
    line_end: str = "\r\n"
    container: str = "zips"
    hes: str = "hes"
    dotted: bool = True
    short: bool = False
    filler: bytes = b"1"
    deaths_again: bool = False
    database: str = "gold"

    @property
    def source_tables(self) -> dict[str, SourceTable]:
        return DATABASES[self.database].source_tables

    def columns(self, source_table: str) -> tuple[str, ...]:
        return self.source_tables[source_table].generations[self.generation(source_table)]

    def generation(self, source_table: str) -> str:
        return self.generations.get(
            source_table, next(iter(self.source_tables[source_table].generations))
        )

    def format_of(self, source_table: str) -> str:
        return (
            self.dates if source_table in DATABASES[self.database].numbered else self.linked_dates
        )


OLD = {"years": 1800, "practices": (1, 2, 307), "digits": 3}
LAYOUTS = (
    Layout(
        "GOLD A of 2011, textid",
        {
            **WITH_TEXTID,
            "patient": "with socio-economic status",
            "referral": "A before 2011",
            "additional": "A with data8",
            "linkage_eligibility": "2012",
            "hes_patient": "oldest",
        },
        **OLD,
    ),
    Layout(
        "GOLD A of 2012, folders",
        {**WITH_TEXTID, "linkage_eligibility": "2012, patient in build", "hes_patient": "old"},
        container="folders",
        **OLD,
    ),
    Layout(
        "GOLD A of 2014, outer names",
        {"therapy": "A with daily dose", "linkage_eligibility": "2014"},
        container="outer names",
        **OLD,
    ),
    Layout(
        "GOLD A of 2015, bulk cut",
        {"linkage_eligibility": "2014, mental health", "hes_episodes": "with ethnicity"},
        dates="%Y%m%d",
        container="loose",
        line_end="\n",
        **OLD,
    ),
    Layout("GOLD A of 2019"),
    Layout(
        "GOLD B of 2022, e_ prefix",
        {**WITH_SNOMED, "linkage_eligibility": "2022", "hes_patient": "new"},
        linked_dates="%Y/%m/%d",
        prefix="e_",
        hes="hes_apc",
        short=True,
        filler=b"",
    ),
    Layout(
        "GOLD B of 2024, one zip",
        {
            **WITH_SNOMED,
            "linkage_eligibility": "2024",
            "hes_patient": "new, mpsid",
            "death_patient": "2024",
        },
        dates="%Y-%m-%d",
        linked_dates="%Y-%m-%d",
        container="one zip",
        hes="HES_APC",
        dotted=False,
        deaths_again=True,
    ),
    Layout(
        "GOLD B of 2024, cp1252",
        {
            **WITH_SNOMED,
            "linkage_eligibility": "2024, dispensing",
            "hes_patient": "new, mpsid",
            "death_patient": "2024",
        },
        upper=True,
        hes="hes_apc",
        filler=b'M\xe9ni\xe8re\\N "',
        deaths_again=True,
    ),
    Layout("Aurum of 2019", database="aurum"),
    Layout(
        "Aurum of 2022, outer names",
        {"linkage_eligibility": "2022", "hes_patient": "new"},
        linked_dates="%Y/%m/%d",
        container="outer names",
        hes="hes_apc",
        short=True,
        filler=b"",
        database="aurum",
    ),
    Layout(
        "Aurum of 2024, one zip",
        {
            "emismedicaldictionary": "without observations",
            "linkage_eligibility": "2024",
            "hes_patient": "new, mpsid",
            "death_patient": "2024",
        },
        upper=True,
        linked_dates="%Y-%m-%d",
        container="one zip",
        hes="hes_apc",
        dotted=False,
        filler=b'M\xe9ni\xe8re\\N "',
        deaths_again=True,
        database="aurum",
    ),
)


def write(
    layout: Layout, path: Path, source_table: str, rows: Iterable[Mapping[str, object]]
) -> Path:
    """Write rows, given by our names, as a file of the layout; `path` says name, part and folder.

    Returns the file written.
    """
    columns = layout.columns(source_table)
    names = [layout.prefix + (name.upper() if layout.upper else name) for name in columns]
    lines = ["\t".join(names).encode()]
    for row in rows:
        lines.append(_line(layout, source_table, row))
        if source_table == "death_patient" and layout.deaths_again and row.get("dod"):
            lines.append(_line(layout, source_table, {**row, "dod": f"{str(row['dod'])[:6]}2019"}))
    text = b"".join(line + layout.line_end.encode() for line in lines)
    return _place(layout, path, source_table, text)


def _line(layout: Layout, source_table: str, row: Mapping[str, object]) -> bytes:
    values = []
    for name in layout.columns(source_table):
        ours = layout.source_tables[source_table].ours(name)
        kind = layout.source_tables[source_table].types.get(ours)
        if kind is None:
            values.append(layout.filler)
        else:
            values.append(
                _written(layout, source_table, ours, kind, str(row.get(ours, ""))).encode()
            )
    line = b"\t".join(values)
    return line.rstrip(b"\t") if layout.short else line


def _written(layout: Layout, source_table: str, name: str, kind: str, value: str) -> str:
    if kind == "date" and value:
        day, month, year = value.split("/")
        return (
            layout.format_of(source_table)
            .replace("%d", day)
            .replace("%m", month)
            .replace("%Y", year)
        )
    if kind == "year" and value:
        return str(int(value) + 1800 - layout.years)
    if name == "icd" and not layout.dotted and value != "-.":
        return value.replace(".", "")
    if name == "data_source" and value == "hes":
        return layout.hes
    return value


def _place(layout: Layout, path: Path, source_table: str, text: bytes) -> Path:
    """Put the text where the layout has it; GOLD's parts in zips, linked files mostly loose."""
    name = path.with_suffix(".txt").name
    zipped = path.suffix == ".zip"
    if layout.container == "loose" or (layout.container == "outer names" and not zipped):
        path = path.with_suffix(".txt")
    elif layout.container == "folders":
        path = path.parent / source_table.capitalize() / name
    elif layout.container == "outer names":
        path = path.with_name(f"1234.{path.name}")
    elif layout.container == "one zip":
        path = path.parent / "Results.zip"
        name = f"final/{name}"
        zipped = True
    path.parent.mkdir(parents=True, exist_ok=True)
    if zipped and path.suffix == ".zip":
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, text)
    else:
        path.write_bytes(text)
    return path


def unpack(delivery: Path, folder: Path) -> Path:
    """Lay all texts of a delivery side by side in `folder`, for a reader of plain text."""
    folder.mkdir()
    for index, path in enumerate(sorted(delivery.rglob("*.*"))):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    name = f"{index}_{Path(member).name}"
                    (folder / name).write_bytes(archive.read(member))
        else:
            (folder / f"{index}_{path.name}").write_bytes(path.read_bytes())
    return folder
