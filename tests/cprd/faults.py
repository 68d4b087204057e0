"""The faults of deliveries, each with its outcome: one list for the tests and the manual.

python tests/cprd/faults.py > docs/faults.md
"""

import errno
import os
import resource
import runpy
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq
from layouts import LAYOUTS, Layout
from layouts import write as write_layout

from behrt.cprd.container import LONGEST_LINE
from behrt.cprd.databases import DATABASES, GOLD
from behrt.cprd.layout import LINKED, LOOK_UPS

PATIDS = [int(f"{number}20001") for number in range(101, 113)]
LAYOUT = Layout("faults")
AURUM_LAYOUT = Layout("faults of Aurum", database="aurum")
FILES = {
    "patient": "gold/x_Extract_Patient_001.txt",
    "practice": "gold/x_Extract_Practice_001.txt",
    "zipped": "gold/x_Extract_Clinical_001.zip",
    "clinical": "gold/x_Extract_Clinical_002.txt",
    "consultation": "gold/x_Extract_Consultation_001.txt",
    "eligibility": "linked/x_linkage_eligibility_gold.txt",
    "coverage": "linked/linkage_coverage.txt",
    "deaths": "linked/death_patient_x.txt",
    "admissions": "linked/hes_hospital_x.txt",
    "diagnoses": "linked/hes_diagnosis_hosp_x.txt",
}
MEMBER = "x_Extract_Clinical_001.txt"


AURUM_FILES = {
    name: FILES[name].replace("gold", "aurum")
    for name in (
        "patient",
        "practice",
        "consultation",
        "eligibility",
        "coverage",
        "deaths",
        "admissions",
        "diagnoses",
    )
} | {
    "observation": "aurum/x_Extract_Observation_001.txt",
    "problem": "aurum/x_Extract_Problem_001.txt",
    "dictionary": "lookups/202205_EMISMedicalDictionary.txt",
}
GOUT = 100_000_000_000_000_007


@dataclass(frozen=True)
class Delivery:
    """A small delivery, to be damaged: `name` is a key of its files."""

    folder: Path
    files: Mapping[str, str] = field(default_factory=lambda: FILES)

    def path(self, name: str) -> Path:
        return self.folder / self.files[name]

    def edit(self, name: str, change: Callable[[bytes], bytes]) -> None:
        self.path(name).write_bytes(change(self.path(name).read_bytes()))

    def replace(self, name: str, old: bytes, new: bytes, count: int = -1) -> None:
        text = self.path(name).read_bytes()
        assert old in text
        self.path(name).write_bytes(text.replace(old, new, count))

    def zip(self, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
        with zipfile.ZipFile(self.path("zipped"), "w", method) as archive:
            for name, text in members.items():
                archive.writestr(name, text)


def write_delivery(folder: Path) -> Delivery:
    """Write twelve patients of one practice, each with five visits and one admission."""

    def write(name: str, source_table: str, rows: list[dict[str, object]]) -> None:
        write_layout(LAYOUT, folder / FILES[name], source_table, rows)

    visits = write_shared(write)
    write("zipped", "clinical", visits[:30])
    write("clinical", "clinical", visits[30:])
    return Delivery(folder)


def write_aurum_delivery(folder: Path) -> Delivery:
    """Write the same patients as CPRD Aurum delivers them."""

    def write(name: str, source_table: str, rows: list[dict[str, object]]) -> None:
        write_layout(AURUM_LAYOUT, folder / AURUM_FILES[name], source_table, rows)

    visits = [
        {**row, "medcode": GOUT, "obsid": 10**17 + number}
        for number, row in enumerate(write_shared(write))
    ]
    write("observation", "observation", visits)
    write("problem", "problem", visits[:5])
    word = {"medcode": GOUT, "originalreadcode": "C34", "readcode": "C34..00", "snomed": GOUT + 9}
    others = [
        {"medcode": GOUT + number, "readcode": f"1{number:02d}..00"} for number in range(1, 20)
    ]
    synonym = {"medcode": GOUT + 20, "readcode": "C34.."}
    write("dictionary", "emismedicaldictionary", [word, *others, synonym])
    return Delivery(folder, AURUM_FILES)


def write_shared(
    write: Callable[[str, str, list[dict[str, object]]], None],
) -> list[dict[str, object]]:
    """Write all but the coded records, which are returned."""

    people = [
        {
            "patid": patid,
            "pracid": 20001,
            "gender": 1 + index % 2,
            "yob": 140 + index,
            "mob": 0,
            "crd": "01/02/1995",
            "accept": 1,
        }
        for index, patid in enumerate(PATIDS)
    ]
    visits = [
        {"patid": patid, "eventdate": f"{day:02d}/03/1998", "medcode": 7}
        for patid in PATIDS
        for day in (1, 2, 3, 4, 5)
    ]
    stays = [{"patid": patid, "admidate": "20/04/1998"} for patid in PATIDS]
    write("patient", "patient", people)
    write(
        "practice",
        "practice",
        [
            {"pracid": 20001, "region": 1, "uts": "01/01/1996", "lcd": "31/12/1999"},
            {"pracid": 20002, "region": 2, "uts": "01/01/1996", "lcd": "31/12/1999"},
        ],
    )
    write(
        "consultation",
        "consultation",
        [{k: row[k] for k in ("patid", "eventdate")} for row in visits],
    )
    write("eligibility", "linkage_eligibility", [{"patid": patid, "hes_e": 1} for patid in PATIDS])
    write(
        "coverage",
        "linkage_coverage",
        [
            {"data_source": "hes", "start": "01/04/1997", "end": "31/03/2000"},
            {"data_source": "ons_death", "start": "01/01/1998", "end": "31/03/2000"},
        ],
    )
    deaths = [{"patid": patid, "dod": "01/05/1999"} for patid in PATIDS[:2]]
    write("deaths", "death_patient", deaths)
    write("admissions", "hes_hospital", stays)
    write("diagnoses", "hes_diagnosis_hosp", [{**row, "icd": "M10.1"} for row in stays])
    return visits


@dataclass(frozen=True)
class Fault:
    """One fault and its outcome.

    Attributes:
        name: of the fault.
        spoil: damages a delivery.
        error: text of the error; empty if there is none.
        where: the file, folder or key that the error names.
        refused: rows refused, by table and reason.
        step: the step of the cohort's flow after which a patient is gone.
        loss: what the first step of the cohort's flow says that the run does without.
        outcomes: diagnosis rows that do not become events, by outcome.
        config: settings other than the usual ones.
        during: lasts while the delivery is read.
        database: which of CPRD's is delivered.
    """

    name: str
    spoil: Callable[[Delivery], Any] = lambda delivery: None
    error: str = ""
    where: str = ""
    refused: Mapping[tuple[str, str], int] = field(default_factory=dict)
    step: str = ""
    loss: str = ""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    during: Callable[[Delivery], Any] = lambda delivery: nullcontext()
    database: str = "gold"

    @property
    def outcome(self) -> str:
        if self.error:
            return f"error: “{self.error}”, names {self.where}"
        if self.refused:
            return "; ".join(
                f"refused, counted: {reason} ({source_table})"
                for source_table, reason in self.refused
            )
        if self.step:
            return f"patient left out, counted: {self.step}"
        if self.loss:
            return f"read; first step of the cohort flow: without {self.loss}"
        if self.outcomes:
            return "; ".join(f"diagnosis left out, counted: {name}" for name in self.outcomes)
        return "read correctly"


# ---------------------------------------------------------------------------- ways to damage


def cell(name: str, column: str, value: str, row: int = 0) -> Callable[[Delivery], None]:
    """Write `value` in a cell; in every row's if `row` is −1."""

    def spoil(delivery: Delivery) -> None:
        path = delivery.path(name)
        header, *lines = path.read_bytes().split(b"\r\n")[:-1]
        index = header.lower().split(b"\t").index(column.encode())
        for number, line in enumerate(lines):
            if row in (number, -1):
                values = line.split(b"\t")
                values[index] = value.encode("latin-1")
                lines[number] = b"\t".join(values)
        path.write_bytes(b"".join(line + b"\r\n" for line in [header, *lines]))

    return spoil


def edited(name: str, change: Callable[[bytes], bytes]) -> Callable[[Delivery], None]:
    return lambda delivery: delivery.edit(name, change)


def each_row(name: str, change: Callable[[bytes], bytes]) -> Callable[[Delivery], None]:
    def spoil(text: bytes) -> bytes:
        header, *lines = text.split(b"\r\n")[:-1]
        return b"".join(line + b"\r\n" for line in [header, *map(change, lines)])

    return edited(name, spoil)


def first_row(name: str, change: Callable[[bytes], bytes]) -> Callable[[Delivery], None]:
    def spoil(text: bytes) -> bytes:
        header, line, rest = text.split(b"\r\n", 2)
        return b"\r\n".join([header, change(line), rest])

    return edited(name, spoil)


def header(name: str, old: bytes, new: bytes) -> Callable[[Delivery], None]:
    return lambda delivery: delivery.replace(name, old, new, 1)


def rezipped(*members: str) -> Callable[[Delivery], None]:
    """Zip the zipped part again under other names, once for each."""

    def spoil(delivery: Delivery) -> None:
        with zipfile.ZipFile(delivery.path("zipped")) as archive:
            text = archive.read(MEMBER)
        delivery.zip({name: text + b"\r\n" * index for index, name in enumerate(members)})

    return spoil


def zip_field(offset: int, central: int, code: str, value: int) -> Callable[[Delivery], None]:
    """Overwrite a field of the zip's local and central header (APPNOTE 4.3.7, 4.3.12)."""

    def change(content: bytes) -> bytes:
        spoilt = bytearray(content)
        struct.pack_into(code, spoilt, offset, value)
        struct.pack_into(code, spoilt, content.index(b"PK\x01\x02") + central, value)
        return bytes(spoilt)

    return edited("zipped", change)


def copied(name: str, other: str) -> Callable[[Delivery], None]:
    def spoil(delivery: Delivery) -> None:
        path = delivery.path(name).parent / other
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(delivery.path(name).read_bytes())

    return spoil


def packed_together(member: str) -> Callable[[Delivery], None]:
    """Put all parts into one zip, and beside them a member that is not read."""

    def spoil(delivery: Delivery) -> None:
        files = [path for path in sorted(delivery.folder.rglob("*.*")) if path.suffix == ".txt"]
        with zipfile.ZipFile(delivery.folder / "22_Results.zip", "w") as archive:
            for path in files:
                archive.writestr(f"final/{path.name}", path.read_bytes())
                path.unlink()
            archive.writestr(f"final/{member}", b"PK")

    return spoil


def removed(name: str) -> Callable[[Delivery], None]:
    return lambda delivery: delivery.path(name).unlink()


def renamed(name: str, other: str) -> Callable[[Delivery], None]:
    return lambda delivery: delivery.path(name).rename(delivery.path(name).parent / other)


def appended(name: str, source_table: str, **values: object) -> Callable[[Delivery], None]:
    def spoil(delivery: Delivery) -> None:
        row = [
            str(values.get(column.lower(), ""))
            for column in GOLD.source_tables[source_table].columns
        ]
        delivery.edit(name, lambda text: text + "\t".join(row).encode() + b"\r\n")

    return spoil


def joined(delivery: Delivery) -> None:
    """Lose the line end between the first two rows."""
    delivery.edit("clinical", lambda text: text.replace(b"\r\n" + PATID, b"\t" + PATID, 2))
    delivery.replace("clinical", b"adid\t", b"adid\r\n")


def flipped(content: bytes) -> bytes:
    middle = content.index(MEMBER.encode()) + len(MEMBER) + 40
    return content[:middle] + bytes([content[middle] ^ 0xFF]) * 8 + content[middle + 8 :]


# ---------------------------------------------------------------------------- faults of the machine


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Remove the permission to read; for root, who always has it, simulate the error."""
    if os.geteuid():
        mode = path.stat().st_mode
        path.chmod(0)
        try:
            yield
        finally:
            path.chmod(mode)
        return
    refusal = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    real_open, real_scan = Path.open, os.scandir

    def refuse_open(self: Path, *arguments: Any, **named: Any) -> Any:
        if self == path:
            raise refusal
        return real_open(self, *arguments, **named)

    def refuse_scan(place: Any = ".") -> Any:
        if Path(place) == path:
            raise refusal
        return real_scan(place)

    with mock.patch.object(Path, "open", refuse_open), mock.patch("os.scandir", refuse_scan):
        yield


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Limit the size of files of this process to `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def unwritable(number: int) -> Callable[[Delivery], Any]:
    error = OSError(number, os.strerror(number))
    return lambda delivery: mock.patch.object(pq.ParquetWriter, "write_table", side_effect=error)


@contextmanager
def gone(path: Path) -> Iterator[None]:
    """Remove the file after it has been found."""
    real = Path.open

    def vanish(self: Path, *arguments: Any, **named: Any) -> Any:
        if self == path:
            path.unlink(missing_ok=True)
        return real(self, *arguments, **named)

    with mock.patch.object(Path, "open", vanish):
        yield


# ---------------------------------------------------------------------------- the table

ZIP = Path(FILES["zipped"]).name
TXT = Path(FILES["clinical"]).name
FOLDER = "the folder"
BEARS = "it bears the name of the source table clinical, but would not be read"
MANY = "of the rows cannot be used"
PATID = str(PATIDS[6]).encode()


def without(*source_tables: str) -> dict[str, dict[str, list[str]]]:
    return {"delivery": {"without": list(source_tables)}}


def unusable(name: str, column: str, value: str, reason: str, source_table: str = "") -> Fault:
    """One cell that makes its row unusable."""
    shown = f"{column} {value!r}" if value else f"no {column}"
    return Fault(
        f"{shown} in {source_table or name}",
        cell(name, column, value),
        refused={(source_table or name, f"{reason} {column}"): 1},
    )


CONTAINERS = (
    Fault(
        "a zip cut short",
        edited("zipped", lambda text: text[: len(text) // 2]),
        "it is damaged",
        ZIP,
    ),
    Fault(
        "a zip with its end zeroed",
        edited("zipped", lambda text: text[:-30] + bytes(30)),
        "it is damaged",
        ZIP,
    ),
    Fault(
        "a zip's text with a bad checksum",
        zip_field(14, 16, "<I", 1),
        "it is damaged (Bad CRC-32",
        ZIP,
    ),
    Fault("a zip's packed bytes changed", edited("zipped", flipped), "it is damaged", ZIP),
    Fault(
        "a zip that says it holds more than it does",
        zip_field(22, 24, "<I", 10**6),
        "it is damaged (it ends early)",
        ZIP,
    ),
    Fault(
        "a zip whose member's name runs on into the rows",
        edited("zipped", lambda text: text[:26] + b"\x90\x00" + text[28:]),
        "it is damaged (its directory and its contents differ)",
        ZIP,
    ),
    Fault(
        "a text named .zip",
        edited("zipped", lambda _: b"patid\teventdate\r\n"),
        "it is damaged (File is not a zip file",
        ZIP,
    ),
    Fault("a .zip of no bytes", edited("zipped", lambda _: b""), "it is damaged", ZIP),
    Fault("an encrypted zip", zip_field(6, 8, "<H", 1), "the zip is encrypted", ZIP),
    Fault(
        "a zip packed by Deflate64",
        zip_field(8, 10, "<H", 9),
        "it is packed by a method that is not supported",
        ZIP,
    ),
    Fault(
        "a zip without a .txt",
        lambda d: d.zip({"readme.pdf": b""}),
        "holds 0 .txt files, not one",
        ZIP,
    ),
    Fault("a zip with two .txt", rezipped("a.txt", "b.txt"), "holds 2 .txt files, not one", ZIP),
    Fault(
        "a zip in a zip",
        lambda d: d.zip({"x_Extract_Clinical_001.zip": b"PK"}),
        BEARS,
        ZIP,
    ),
    Fault(
        "a zip of all parts, with a zip in it",
        packed_together("x_Extract_Clinical_001.zip"),
        BEARS,
        "22_Results.zip, x_Extract_Clinical_001.zip",
    ),
    Fault(
        "a zip of all parts, with a .gz in it",
        packed_together("x_Extract_Clinical_003.txt.gz"),
        BEARS,
        "22_Results.zip, x_Extract_Clinical_003.txt.gz",
    ),
    Fault(
        "a zip of all parts, with one that has no number",
        packed_together("x_Extract_Clinical.txt"),
        BEARS,
        "22_Results.zip, x_Extract_Clinical.txt",
    ),
    Fault(
        "a zip of all parts, with another archive in it",
        packed_together("linked.zip"),
        "an archive inside a zip",
        "22_Results.zip, linked.zip",
    ),
    Fault(
        "a part saved as .csv",
        renamed("clinical", "x_Extract_Clinical_002.csv"),
        BEARS,
        "x_Extract_Clinical_002.csv",
    ),
    Fault(
        "a part whose copy was interrupted",
        renamed("clinical", "x_Extract_Clinical_002.txt.filepart"),
        BEARS,
        "x_Extract_Clinical_002.txt.filepart",
    ),
    Fault(
        "a part that a copy has left hidden",
        renamed("clinical", ".x_Extract_Clinical_002.txt.Xk2aQ1"),
        BEARS,
        ".x_Extract_Clinical_002.txt.Xk2aQ1",
    ),
    Fault(
        "a part with other marks in its name",
        renamed("clinical", "x-Extract-Clinical-002.txt"),
        BEARS,
        "x-Extract-Clinical-002.txt",
    ),
    Fault(
        "a part that is a link to nothing",
        lambda d: (d.path("clinical").unlink(), d.path("clinical").symlink_to("nowhere")),
        "a link to a file or folder that is not there",
        TXT,
    ),
    Fault(
        "a folder that is a link to nothing",
        lambda d: (d.folder / "more").symlink_to("unmounted"),
        "a link to a file or folder that is not there",
        "more",
    ),
    Fault(
        "a pipe in place of a part",
        lambda d: (d.path("clinical").unlink(), os.mkfifo(d.path("clinical"))),
        "not a regular file",
        TXT,
    ),
    Fault(
        "a zip of one table named as another",
        rezipped("x_Extract_Test_001.txt"),
        "named as clinical, but holds test",
        ZIP,
    ),
    Fault("a zip bomb", lambda d: d.zip({MEMBER: b"\n" * (65 * 2**20)}), "as a zip bomb does", ZIP),
    Fault(
        "a zip whose path climbs out",
        rezipped(f"../../{MEMBER}"),
        "a path that leads out of the zip",
        ZIP,
    ),
    Fault(
        "a zip with an absolute path",
        rezipped(f"/tmp/{MEMBER}"),
        "a path that leads out of the zip",
        ZIP,
    ),
    Fault(
        "a zip with a path on another drive",
        rezipped(f"C:\\{MEMBER}"),
        "a path that leads out of the zip",
        ZIP,
    ),
    Fault(
        "a part packed as .7z",
        renamed("zipped", "x_Extract_Clinical_001.7z"),
        BEARS,
        "x_Extract_Clinical_001.7z",
    ),
    Fault(
        "a part packed as .txt.gz",
        renamed("zipped", "x_Extract_Clinical_001.txt.gz"),
        BEARS,
        "x_Extract_Clinical_001.txt.gz",
    ),
    Fault(
        "a part without a number",
        renamed("clinical", "x_Extract_Clinical.txt"),
        BEARS,
        "x_Extract_Clinical.txt",
    ),
    Fault(
        "a browser's second copy of a part",
        copied("clinical", "x_Extract_Clinical_002 (1).txt"),
        BEARS,
        "x_Extract_Clinical_002 (1).txt",
    ),
    Fault(
        "a part both zipped and loose",
        copied("clinical", "x_Extract_Clinical_001.txt"),
        "delivered twice, also as",
        "x_Extract_Clinical_001",
    ),
    Fault(
        "a part delivered twice under two numbers",
        copied("clinical", "x_Extract_Clinical_003.txt"),
        "the same rows as in",
        "x_Extract_Clinical_003.txt",
    ),
    Fault(
        "a linked file delivered twice",
        copied("diagnoses", "hes_diagnosis_hosp_y.txt"),
        "the same rows as in",
        "hes_diagnosis_hosp_y.txt",
    ),
    Fault("a missing table", removed("consultation"), "no file for consultation", FOLDER),
    Fault(
        "no linkage coverage",
        removed("coverage"),
        "or set cohort.hes_start and cohort.hes_end",
        FOLDER,
    ),
    Fault(
        "no ONS deaths",
        removed("deaths"),
        "name them in delivery.without to do without ONS deaths",
        FOLDER,
    ),
    Fault(
        "no ONS deaths, as the configuration says",
        removed("deaths"),
        loss="ONS deaths",
        config=without("death_patient"),
    ),
    Fault(
        "no admissions",
        removed("admissions"),
        "name them in delivery.without to do without admissions without a diagnosis",
        FOLDER,
    ),
    Fault(
        "no admissions, as the configuration says",
        removed("admissions"),
        loss="admissions without a diagnosis",
        config=without("hes_hospital"),
    ),
    Fault(
        "no hospital diagnoses, as the configuration says",
        removed("diagnoses"),
        loss="hospital diagnoses",
        config=without("hes_diagnosis_hosp"),
    ),
    Fault(
        "no linked data, as the configuration says",
        lambda d: [
            removed(name)(d)
            for name in ("coverage", "eligibility", "deaths", "admissions", "diagnoses")
        ],
        loss="ONS deaths and hospital records",
        config=without("death_patient", "hes_hospital", "hes_diagnosis_hosp"),
    ),
    Fault(
        "a part that vanishes while it is read",
        error="it no longer exists",
        where=TXT,
        during=lambda d: gone(d.path("clinical")),
    ),
    Fault(
        "no permission to read a part",
        error="you have no permission to read it",
        where=TXT,
        during=lambda d: unreadable(d.path("clinical")),
    ),
    Fault(
        "no permission to list a folder",
        error="the folder cannot be listed",
        where="linked",
        during=lambda d: unreadable(d.folder / "linked"),
    ),
    Fault(
        "no permission to write",
        error="you have no permission to write it",
        where=".parquet",
        during=unwritable(errno.EACCES),
    ),
    Fault(
        "a full disk",
        error="no space is left on the disk",
        where=".parquet",
        during=unwritable(errno.ENOSPC),
    ),
    Fault(
        "a used-up quota",
        error="the disk quota is used up",
        where=".parquet",
        during=unwritable(errno.EDQUOT),
    ),
    Fault(
        "a limit on the size of files",
        error="it exceeds the limit on the size of files",
        where=".parquet",
        during=lambda d: largest_file(100),
    ),
)
TEXTS = (
    Fault("a part of no bytes", edited("clinical", lambda _: b""), "it is empty", TXT),
    Fault(
        "a blank first line",
        edited("clinical", lambda text: b"\r\n" + text),
        "its first line is blank",
        TXT,
    ),
    Fault(
        "no header line",
        edited("clinical", lambda text: text.split(b"\r\n", 1)[1]),
        "its first line is not a header line",
        TXT,
    ),
    Fault(
        "commas between values",
        edited("clinical", lambda text: text.replace(b"\t", b",")),
        "its first line has no TABs, but has commas",
        TXT,
    ),
    Fault(
        "semicolons between values",
        edited("clinical", lambda text: text.replace(b"\t", b";")),
        "its first line has no TABs, but has semicolons",
        TXT,
    ),
    Fault(
        "spaces between values",
        edited("clinical", lambda text: text.replace(b"\t", b"  ")),
        "its first line has no TABs",
        TXT,
    ),
    Fault(
        "UTF-16",
        edited("clinical", lambda text: text.decode().encode("utf-16")),
        "it is written in UTF-16",
        TXT,
    ),
    Fault(
        "UTF-16 without its mark",
        edited("clinical", lambda text: text.decode().encode("utf-16-be")),
        "it is written in UTF-16",
        TXT,
    ),
    Fault(
        "lines that end with CR only",
        edited("clinical", lambda text: text.replace(b"\r\n", b"\r")),
        "its lines end with CR only",
        TXT,
    ),
    Fault(
        "a missing column",
        header("clinical", b"medcode", b"code"),
        "no column medcode in the first line",
        TXT,
    ),
    Fault(
        "a column twice in the header",
        header("clinical", b"staffid", b"medcode"),
        "two columns medcode",
        TXT,
    ),
    Fault(
        "the first row on the header's line",
        header("clinical", b"\r\n", b""),
        "field 10 of its first line is not a column name",
        TXT,
    ),
    Fault(
        "another table's text",
        lambda d: d.edit("clinical", lambda _: d.path("coverage").read_bytes()),
        "its first line is not a header line",
        TXT,
    ),
    Fault(
        "a line without end",
        edited("clinical", lambda text: text + b"x" * (LONGEST_LINE + 1)),
        f"a line is longer than {LONGEST_LINE:,} bytes",
        TXT,
    ),
    Fault(
        "a hole of NUL bytes",
        edited("clinical", lambda text: text + bytes(2 * LONGEST_LINE)),
        "a line is longer than",
        TXT,
    ),
    Fault(
        "a text cut short within a row",
        edited("clinical", lambda text: text[:-12]),
        "it ends within a row, cut short",
        TXT,
    ),
    Fault(
        "two date formats in a column",
        cell("clinical", "eventdate", "19980301"),
        "column eventdate mixes the formats",
        TXT,
    ),
    Fault(
        "years of birth in two formats",
        cell("patient", "yob", "140"),
        "column yob mixes the formats",
        "Patient_001.txt",
    ),
    Fault("American dates", cell("clinical", "eventdate", "12/31/1998", -1), MANY, TXT),
    Fault("years of two digits", cell("clinical", "eventdate", "01/02/98", -1), MANY, TXT),
    Fault("months in words", cell("clinical", "eventdate", "01-FEB-1998", -1), MANY, TXT),
    Fault(
        "a TAB too many in every row", each_row("clinical", lambda line: line + b"\t"), MANY, TXT
    ),
    Fault(
        "values in quotes",
        each_row("clinical", lambda line: b'"' + line.replace(b"\t", b'"\t"') + b'"'),
        MANY,
        TXT,
    ),
    Fault(
        "a practice of another build",
        cell("practice", "pracid", "90009", -1),
        "the last digits of patid are not a pracid",
        "patient and practice tables",
    ),
    Fault(
        "a practice with two different rows",
        appended("practice", "practice", pracid=20001, region=5),
        "two practices have the same last 5 digits",
        "practice table",
    ),
    Fault(
        "a patient with two different rows",
        appended("patient", "patient", patid=PATIDS[0], yob=1950, accept=1),
        "two rows of a patient differ",
        "patient table",
    ),
    Fault(
        "a patient in two practices' deliveries",
        appended("patient", "patient", patid=PATIDS[0], yob=1940, accept=1, crd="01/01/1999"),
        "two rows of a patient differ",
        "patient table",
    ),
    Fault(
        "no coverage of HES",
        cell("coverage", "data_source", "minap"),
        "no first and last day for data_source hes",
        "linkage_coverage",
    ),
    Fault(
        "nobody eligible for linkage",
        cell("eligibility", "hes_e", "0", -1),
        "no patient is left after the step",
        "cohort",
    ),
)
ROWS = (
    unusable("clinical", "patid", "", "blank"),
    unusable("clinical", "patid", "-10120001", "unreadable"),
    unusable("clinical", "patid", "9223372036854775808", "unreadable"),
    unusable("clinical", "patid", "99999999999999999999", "unreadable"),
    unusable("clinical", "patid", "10120001.0", "unreadable"),
    unusable("clinical", "patid", "1.012E+07", "unreadable"),
    unusable("clinical", "patid", "p7", "unreadable"),
    unusable("clinical", "medcode", "x", "unreadable"),
    unusable("clinical", "medcode", "-7", "unreadable"),
    unusable("clinical", "medcode", "7.0", "unreadable"),
    unusable("clinical", "medcode", "7 7", "unreadable"),
    unusable("clinical", "medcode", "1" * 20, "unreadable"),
    unusable("clinical", "eventdate", "30/02/1998", "unreadable"),
    unusable("clinical", "eventdate", "00/00/0000", "unreadable"),
    unusable("clinical", "eventdate", "01/01/0000", "unreadable"),
    unusable("clinical", "eventdate", "01/01/0001", "unreadable"),
    unusable("clinical", "eventdate", "31/12/9999", "unreadable"),
    unusable("clinical", "eventdate", "1/3/1998", "unreadable"),
    unusable("clinical", "eventdate", "01/03/98", "unreadable"),
    unusable("clinical", "eventdate", "01/03/1998 00:00", "unreadable"),
    unusable("patient", "accept", "", "blank"),
    unusable("patient", "accept", "Y", "unreadable"),
    unusable("patient", "gender", "M", "unreadable"),
    unusable("patient", "mob", "March", "unreadable"),
    unusable("patient", "yob", "2999", "unreadable"),
    unusable("patient", "tod", "31/12/9999", "unreadable"),
    unusable("eligibility", "hes_e", "Y", "unreadable", "linkage_eligibility"),
    unusable("eligibility", "hes_e", "", "blank", "linkage_eligibility"),
    unusable("admissions", "admidate", "31/11/1998", "unreadable", "hes_hospital"),
    unusable("admissions", "patid", "2" * 30, "unreadable", "hes_hospital"),
    unusable("deaths", "dod", "99/99/1999", "unreadable", "death_patient"),
    Fault(
        "a practice without pracid",
        appended("practice", "practice", region=5),
        refused={("practice", "blank pracid"): 1},
    ),
    Fault(
        "a TAB too many in one row",
        first_row("clinical", lambda line: line + b"\t"),
        refused={("clinical", "too many fields"): 1},
    ),
    Fault("two rows on one line", joined, refused={("clinical", "too many fields"): 1}),
    Fault(
        "NUL bytes in a row",
        first_row("clinical", lambda line: line + b"\0\0"),
        refused={("clinical", "NUL bytes"): 1},
    ),
    Fault(
        "two texts joined, header and all",
        edited("clinical", lambda text: text + text.split(b"\r\n")[0] + b"\r\n"),
        refused={("clinical", "header line again"): 1},
    ),
    Fault(
        "a row of nothing but TABs",
        edited("clinical", lambda text: text + b"\t" * 9 + b"\r\n"),
        refused={("clinical", "blank patid"): 1},
    ),
    Fault(
        "a second date format, the first stated in config",
        cell("clinical", "eventdate", "19980301"),
        refused={("clinical", "unreadable eventdate"): 1},
        config={"extract": {"date_format": "DD/MM/YYYY"}},
    ),
)
MEANINGS = (
    Fault(
        "a death before birth",
        cell("deaths", "dod", "01/05/1899"),
        step="Registered at an up-to-standard practice",
    ),
    Fault(
        "a transfer before registration",
        cell("patient", "tod", "01/05/1990"),
        step="Registered at an up-to-standard practice",
    ),
    Fault("a year of birth of 0", cell("patient", "yob", "0"), step="Year of birth known"),
    Fault(
        "a patient whom linkage does not know",
        edited("eligibility", lambda text: text.replace(str(PATIDS[0]).encode(), b"120001")),
        step="Eligible for linkage to HES",
    ),
    Fault(
        "a patient without registration",
        cell("patient", "crd", ""),
        step="Registered at an up-to-standard practice",
    ),
    Fault(
        "a record before birth",
        cell("clinical", "eventdate", "01/01/1901"),
        outcomes={"outside follow-up": 1},
    ),
    Fault(
        "a record in the future",
        cell("clinical", "eventdate", "01/01/2199"),
        outcomes={"outside follow-up": 1},
    ),
    Fault("a record without a date", cell("clinical", "eventdate", ""), outcomes={"no date": 1}),
    Fault("a record with medcode 0", cell("clinical", "medcode", "0"), outcomes={"no code": 1}),
    Fault(
        "a medcode that no list has", cell("clinical", "medcode", "4711"), outcomes={"unmapped": 1}
    ),
    Fault("a missing ICD-10 code, `-.`", cell("diagnoses", "icd", "-."), outcomes={"no code": 1}),
    Fault(
        "a text that is not an ICD-10 code",
        cell("diagnoses", "icd", "R??"),
        outcomes={"unmapped": 1},
    ),
    Fault(
        "an ICD-10 code with a space in it",
        cell("diagnoses", "icd", "M 10"),
        outcomes={"unmapped": 1},
    ),
    Fault(
        "a record of an unknown patient",
        cell("clinical", "patid", "99920001"),
        outcomes={"not in the cohort": 1},
    ),
)
HARMLESS = (
    Fault("a BOM", edited("clinical", lambda text: b"\xef\xbb\xbf" + text)),
    Fault("mixed line ends", edited("clinical", lambda text: text.replace(b"\r\n", b"\n", 7))),
    Fault("no last line end", edited("clinical", lambda text: text[:-2])),
    Fault("blank lines", edited("clinical", lambda text: text.replace(b"\r\n", b"\r\n\r\n", 4))),
    Fault("rows without their last blanks", each_row("clinical", lambda line: line.rstrip(b"1\t"))),
    Fault("codes with spaces around", cell("diagnoses", "icd", " M10.1 ")),
    Fault("ids with spaces and zeros before", cell("clinical", "medcode", " 007 ")),
    Fault("an ICD-10 code undotted, in small letters", cell("diagnoses", "icd", "m101")),
    Fault("letters in cp1252", cell("clinical", "consid", "M\xe9ni\xe8re")),
    Fault("backslashes and quotes", cell("clinical", "consid", '\\N "x\\')),
    Fault(
        "a header in capitals",
        edited("clinical", lambda text: text.replace(b"medcode", b"MEDCODE")),
    ),
    Fault("a new column", edited("clinical", lambda text: text.replace(b"\r\n", b"\tx\r\n"))),
    Fault(
        "an empty part",
        lambda d: (d.path("clinical").parent / "x_Extract_Clinical_003.txt").write_bytes(
            d.path("clinical").read_bytes().split(b"\r\n")[0] + b"\r\n"
        ),
    ),
    Fault(
        "a second copy of the practice table",
        copied("practice", "again/x_Extract_Practice_001.txt"),
    ),
    Fault(
        "no linkage coverage, the days of HES stated in config",
        removed("coverage"),
        config={"cohort": {"hes_start": "1997-04-01", "hes_end": "2000-03-31"}},
    ),
    Fault(
        "a placeholder for no date, stated in config",
        cell("patient", "tod", "31/12/9999"),
        config={"extract": {"blank": ["31/12/9999"]}},
    ),
    Fault(
        "a column of another name, stated in config",
        header("clinical", b"medcode", b"code"),
        config={"extract": {"columns": {"clinical": {"code": "medcode"}}}},
    ),
    Fault(
        "a file of another name, stated in config",
        renamed("patient", "p123_Patient.txt"),
        config={"delivery": {"files": {"patient": "gold/p123_*.txt"}}},
    ),
    Fault("another program's files", copied("clinical", "notes.txt")),
    Fault("a checksum beside a part", copied("clinical", "x_Extract_Clinical_002.txt.md5")),
    Fault(
        "a part that is a link to a file elsewhere",
        lambda d: (
            d.path("clinical").rename(d.folder.parent / "elsewhere.txt"),
            d.path("clinical").symlink_to(d.folder.parent / "elsewhere.txt"),
        ),
    ),
    Fault(
        "parts in a folder whose name contains another database's",
        lambda d: (d.folder / "gold").rename(d.folder / "laurums"),
    ),
)
DICTIONARY = Path(AURUM_FILES["dictionary"]).name


def nothing(delivery: Delivery) -> None:
    """Leave the delivery as it is."""


def beside(name: str, text: str) -> Callable[[Delivery], None]:
    """Write a file into the delivery's folder."""
    return lambda delivery: (delivery.folder / name).write_text(text) and None


def of_aurum(name: str, spoil: Callable[[Delivery], Any] = nothing, **outcome: Any) -> Fault:
    return Fault(name, spoil, database="aurum", **outcome)


def unusable_in_aurum(
    name: str, column: str, value: str, reason: str, source_table: str = ""
) -> Fault:
    """One cell that makes its row unusable; the error has the file's own name of the column."""
    shown = f"{column} {value!r}" if value else f"no {column}"
    return of_aurum(
        f"{shown} in {source_table or name}",
        cell(name, column, value, row=1 if name == "dictionary" else 0),
        refused={(source_table or name, f"{reason} {column}"): 1},
    )


MERGED = {"aurum": {"merged_practices": "the folder/merged.txt"}}
SNOMED = {"aurum": {"snomed": "the folder/snomed.csv"}}
AURUM_FAULTS = (
    unusable_in_aurum("observation", "medcodeid", "1.00E+17", "unreadable"),
    unusable_in_aurum("observation", "medcodeid", "100000000000000007.0", "unreadable"),
    unusable_in_aurum("observation", "medcodeid", "1" * 20, "unreadable"),
    unusable_in_aurum("observation", "medcodeid", "-7", "unreadable"),
    unusable_in_aurum("observation", "patid", "9223372036854775808", "unreadable"),
    unusable_in_aurum("observation", "patid", "", "blank"),
    unusable_in_aurum("observation", "obsdate", "31/11/1998", "unreadable"),
    unusable_in_aurum("patient", "acceptable", "", "blank"),
    unusable_in_aurum("patient", "regenddate", "31/12/9999", "unreadable"),
    unusable_in_aurum("patient", "pracid", "2.0001E4", "unreadable"),
    unusable_in_aurum("dictionary", "medcodeid", "1.0E+17", "unreadable", "emismedicaldictionary"),
    unusable_in_aurum(
        "dictionary", "snomedctconceptid", "7.0E+17", "unreadable", "emismedicaldictionary"
    ),
    of_aurum(
        "a dictionary that a spreadsheet has saved",
        cell("dictionary", "medcodeid", "1.0E+17", -1),
        error=MANY,
        where=DICTIONARY,
    ),
    of_aurum(
        "no dictionary",
        removed("dictionary"),
        error="no file for emismedicaldictionary",
        where=FOLDER,
    ),
    of_aurum(
        "a dictionary of another delivery's codes",
        cell("dictionary", "medcodeid", "4711"),
        error="none of their codes is mapped to a disease",
        where="diagnoses, medcode",
    ),
    of_aurum(
        "a medcodeid that the dictionary lacks",
        cell("observation", "medcodeid", str(GOUT - 1)),
        outcomes={"unmapped": 1},
    ),
    of_aurum(
        "an observation without a medcodeid",
        cell("observation", "medcodeid", ""),
        outcomes={"no code": 1},
    ),
    of_aurum(
        "an observation without a date", cell("observation", "obsdate", ""), outcomes={"no date": 1}
    ),
    of_aurum(
        "an Observation file without codes",
        header("observation", b"medcodeid", b"code"),
        error="no column medcodeid in the first line",
        where="Observation_001.txt",
    ),
    of_aurum(
        "two date formats in Observation",
        cell("observation", "obsdate", "19980301"),
        error="column obsdate mixes the formats",
        where="Observation_001.txt",
    ),
    of_aurum(
        "an Aurum part under two numbers",
        copied("observation", "x_Extract_Observation_002.txt"),
        error="the same rows as in",
        where="x_Extract_Observation_002.txt",
    ),
    of_aurum(
        "an Aurum part in a folder that names GOLD",
        lambda d: (d.folder / "aurum").rename(d.folder / "gold standard"),
        error="its path names CPRD GOLD, but it is a part of CPRD Aurum",
        where="gold standard/x_Extract_Consultation_001.txt",
    ),
    of_aurum(
        "an Aurum patient without registration",
        cell("patient", "regstartdate", ""),
        step="Registered at a practice",
    ),
    of_aurum(
        "an Aurum patient table of another build",
        cell("patient", "pracid", "90009", -1),
        error="too many patients have no practice of their pracid",
        where="patient and practice tables",
    ),
    of_aurum(
        "an Aurum practice with two different rows",
        edited("practice", lambda text: text + b"20001\t31/12/1998\t\t1\r\n"),
        error="a practice has two different rows",
        where="practice table",
    ),
    of_aurum(
        "a patient of a merged practice",
        lambda d: (cell("patient", "pracid", "20002")(d), beside("merged.txt", "20002\n")(d)),
        step="Practice not merged into another",
        config=MERGED,
    ),
    of_aurum(
        "a list of merged practices with words in it",
        beside("merged.txt", "pracid\n20002\nthe High Street\n"),
        error="line 3 is not a pracid",
        where="merged.txt",
        config=MERGED,
    ),
    of_aurum(
        "a list of merged practices without any",
        beside("merged.txt", "pracid\n"),
        error="it has no practice",
        where="merged.txt",
        config=MERGED,
    ),
    of_aurum(
        "a list of concepts for an unknown phenotype",
        beside("snomed.csv", "phenotype,snomedctconceptid\nGoat,90560007\n"),
        error="1 of its phenotypes are not in the code lists, such as 'Goat'",
        where="snomed.csv",
        config=SNOMED,
    ),
    of_aurum(
        "a list of concepts that a spreadsheet has saved",
        beside("snomed.csv", "phenotype,snomedctconceptid\nGout,1.0E+17\n"),
        error="none of the concepts of 'Gout' can be read",
        where="snomed.csv",
        config=SNOMED,
    ),
    of_aurum(
        "a list of concepts without its column",
        beside("snomed.csv", "phenotype,code\nGout,90560007\n"),
        error="no column 'snomedctconceptid'",
        where="snomed.csv",
        config=SNOMED,
    ),
    of_aurum(
        "a concept that no code of the dictionary has",
        beside("snomed.csv", "phenotype,snomedctconceptid\nGout,90560007\n"),
        error="none of the codes of the code lists is in it",
        where="EMIS's dictionary",
        config=SNOMED,
    ),
    of_aurum(
        "a delivery of Aurum read as GOLD",
        error="for these, set `database: aurum`",
        where=FOLDER,
        config={"database": "gold"},
    ),
    Fault(
        "a delivery of GOLD read as Aurum",
        error="for these, set `database: gold`",
        where=FOLDER,
        config={"database": "aurum"},
    ),
    of_aurum(
        "a table of GOLD chosen for diagnoses",
        error="CPRD Aurum has no diagnoses in 'clinical'",
        where="config, events.tables",
        config={"events": {"tables": ["clinical"]}},
    ),
    of_aurum(
        "the name of a file for a table of GOLD",
        error="CPRD Aurum has no table clinical",
        where="config, delivery.files",
        config={"delivery": {"files": {"clinical": "*Observation*"}}},
    ),
    of_aurum(
        "a date format for a column under a wrong name of GOLD",
        error="'evendate' is not known. Use one of obsdate",
        where="config, extract, observation, date_format",
        config={"extract": {"date_format": {"observation": {"evendate": "YYYYMMDD"}}}},
    ),
    of_aurum("an up-to-standard date in Aurum", cell("practice", "uts", "01/01/1999", -1)),
    of_aurum("an obsid that nobody reads", cell("observation", "obsid", "9" * 20)),
    of_aurum(
        "two releases of the dictionary",
        copied("dictionary", "202312_EMISMedicalDictionary.txt"),
    ),
    of_aurum(
        "files of GOLD in a folder of theirs",
        lambda d: (
            copied("patient", "../gold/x_Extract_Patient_001.txt")(d),
            (d.folder / "gold" / "x_Extract_Patient_001.txt").write_text(
                "\t".join(GOLD.numbered["patient"].columns) + "\r\n"
            ),
        ),
    ),
    of_aurum(
        "a folder whose name contains `gold`",
        lambda d: (d.folder / "aurum").rename(d.folder / "golden_copy"),
    ),
    of_aurum(
        "concepts of SNOMED CT in place of Read codes",
        beside("snomed.csv", f"Phenotype, SnomedCTConceptId\nGout,{GOUT + 9}\n"),
        config=SNOMED,
    ),
    of_aurum(
        "a date format stated under Aurum's name of a column",
        config={"extract": {"date_format": {"observation": {"obsdate": "DD/MM/YYYY"}}}},
    ),
)
SETTINGS = (
    Fault(
        "a misspelt key",
        error="there is no key 'date_fromat'",
        where="config, extract",
        config={"extract": {"date_fromat": None}},
    ),
    Fault(
        "a misspelt rule",
        error="there is no key 'minimum_visit'",
        where="config, cohort",
        config={"cohort": {"minimum_visit": 5}},
    ),
    Fault(
        "an unknown date format",
        error="MM/DD/YYYY",
        where="config, extract.date_format",
        config={"extract": {"date_format": "MM/DD/YYYY"}},
    ),
    Fault(
        "a format for an unknown table",
        error="hes_hopsital",
        where="config, extract.date_format",
        config={"extract": {"date_format": {"hes_hopsital": "YYYYMMDD"}}},
    ),
    Fault(
        "a format for an unknown column",
        error="'evendate' is not known",
        where="config, extract, clinical, date_format",
        config={"extract": {"date_format": {"clinical": {"evendate": "YYYYMMDD"}}}},
    ),
    Fault(
        "a column that stands for an unknown one",
        error="'read' is not known",
        where="config, extract, clinical, columns",
        config={"extract": {"columns": {"clinical": {"code": "read"}}}},
    ),
    Fault(
        "a share above 1",
        error="it is 2. It must be a number from 0 to 1",
        where="config, extract.maximum_refused",
        config={"extract": {"maximum_refused": 2}},
    ),
    Fault(
        "a pattern that no file has",
        error="no file is named p1*.txt",
        where="config, delivery.files",
        config={"delivery": {"files": {"patient": "p1*.txt"}}},
    ),
    Fault(
        "a folder that is not there",
        error="no such folder",
        where="nowhere",
        config={"delivery": {"folder": "nowhere"}},
    ),
    Fault(
        "the wrong date format stated",
        error=MANY,
        where="_001",
        config={"extract": {"date_format": "YYYYMMDD"}},
    ),
    Fault(
        "one refused row, and a limit that it exceeds",
        cell("clinical", "patid", ""),
        MANY,
        TXT,
        config={"extract": {"maximum_refused": 0.01}},
    ),
)
GROUPS = {
    "Files": CONTAINERS,
    "Texts and tables": TEXTS,
    "Rows": ROWS,
    "Patients and records": MEANINGS,
    "Configuration": SETTINGS,
    "CPRD Aurum, where it differs": AURUM_FAULTS,
    "Variations without effect": HARMLESS,
}
FAULTS = tuple(fault for group in GROUPS.values() for fault in group)


def page() -> str:
    """Return the manual's page of layouts and faults."""
    lines = [
        "# Layouts and faults of a delivery",
        "",
        "Made from the cases of the tests: `python tests/cprd/faults.py > docs/faults.md`.",
        "",
        "## Layouts",
        "",
        "A test compares the cohort and the events of each layout with those of plain SQL. The "
        "manifest of each extracted part and `cohort/manifest.json` contain what was recognised.",
        "",
        "| Layout | Container | Dates, own tables | Dates, linked | Year of birth | Practice | "
        "Eligibility | ONS death |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {layout.name} | {layout.container} | {_dates(layout.dates)} | "
        f"{_dates(layout.linked_dates)} | {'less 1800' if layout.years else 'four digits'} | "
        f"{f'last {layout.digits} digits' if layout.database == 'gold' else 'pracid'} | "
        f"{layout.generation('linkage_eligibility')} | {layout.generation('death_patient')} |"
        for layout in LAYOUTS
    ]
    lines += [
        "",
        "## Source tables and their generations",
        "",
        "| Table | Generations |",
        "|---|---|",
    ]
    named = {"linked to either": LINKED, "look-up of CPRD Aurum": LOOK_UPS}
    named = {database.title: database.numbered for database in DATABASES.values()} | named
    lines += [
        f"| {source_table.name}, {family} | {'; '.join(source_table.generations)} |"
        for family, source_tables in named.items()
        for source_table in source_tables.values()
    ]
    lines += [
        "",
        "## Faults",
        "",
        "An error stops the run, names the file and the remedy, and shows no patient id and no "
        "date. Refused rows are counted by reason in the part's manifest, with the line of the "
        "first one; more than `extract.maximum_refused` of them stop the run. The rows read are "
        "always the rows kept and the rows refused.",
    ]
    for title, faults in GROUPS.items():
        lines += ["", f"### {title}", "", "| Fault | Outcome |", "|---|---|"]
        lines += [f"| {_plain(fault.name)} | {_plain(fault.outcome)} |" for fault in faults]
    others = runpy.run_path(str(Path(__file__).parents[1] / "sources" / "faults.py"))
    return "\n".join([*lines, *others["section"]()]) + "\n"


def _dates(code: str) -> str:
    return code.replace("%d", "DD").replace("%m", "MM").replace("%Y", "YYYY")


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
