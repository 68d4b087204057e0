"""The codes with which diseases are recorded, from the project's own lists or real ones.

The project's own lists have the layout of CALIBER's repository and codes that look like Read v2 and
ICD-10, but contain none of theirs. Each disease gets the next free stem of its chapter, and its
codes are made from the stem by rule. Some codes belong to two diseases of the same chapter and sex.
Female and male infertility share most of their codes, as in Read v2, which has codes for
infertility of either sex (Li et al. 2020, Discussion).
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.caliber.lists import CodeLists, read_lists
from behrt.errors import InputError
from behrt.simulation.text import whole_folder

WITHOUT_A_LIST = (
    "Chronic Kidney Disease",
    "Low HDL-C",
    "Raised LDL-C",
    "Raised Total Cholesterol",
    "Raised Triglycerides",
)
"""Phenotypes of CALIBER's dictionary that are measurements, and have no code list."""

HOSPITAL_ONLY = (
    "Encephalitis",
    "Infections of the Heart",
    "Meningitis",
    "Septicaemia",
    "Syndrome of inappropriate secretion of antidiuretic hormone",
)
"""Diseases without Read codes in the project's own lists, as some infections in CALIBER."""

_INFERTILITY = ("Female infertility", "Male infertility")

# The first two characters of Read codes; the letter and first number of ICD-10 categories.
_CHAPTERS = {
    "Benign Neoplasm/CIN": ("B8", "D", 10),
    "Cancers": ("B2", "C", 0),
    "Diseases of the Circulatory System": ("G4", "I", 5),
    "Diseases of the Digestive System": ("J3", "K", 20),
    "Diseases of the Ear": ("F6", "H", 62),
    "Diseases of the Endocrine System": ("C2", "E", 30),
    "Diseases of the Eye": ("F5", "H", 2),
    "Diseases of the Genitourinary system": ("K7", "N", 20),
    "Diseases of the Respiratory System": ("H8", "J", 50),
    "Haematological/Immunological conditions": ("D3", "D", 55),
    "Infectious Diseases": ("A9", "B", 40),
    "Mental Health Disorders": ("E4", "F", 55),
    "Musculoskeletal conditions": ("N5", "M", 55),
    "Neurological conditions": ("F3", "G", 60),
    "Perinatal conditions": ("Q6", "P", 30),
    "Skin conditions": ("M4", "L", 60),
}
# Read codes that differ only in case mean different diseases.
_STEMS = "aAbBcCdDeEfFgGhHjJkKmMnNpPqQrRsStTuUvVwWxXyYzZ0123456789"

_READ_CODES = (
    ("..00", "{}", "Diagnosis of {}"),
    ("0.00", "{}, mild", "Diagnosis of {}"),
    ("1.00", "{}, severe", "Diagnosis of {}"),
    ("z.00", "{} NOS", "Diagnosis of {}"),
    ("..11", "{} - synonym", "Diagnosis of {}"),
    ("y.00", "{}, other specified", "Possible diagnosis of {}"),
    ("2.00", "{} with complication", "Diagnosis of {}"),
    ("y000", "{} in systemic disease", "Possible diagnosis of {}"),
    ("y100", "{} following treatment", "Possible diagnosis of {}"),
    ("0.11", "{}, sudden", "Diagnosis of {}"),
)
_SEX_AGNOSTIC = ("..11", "y.00", "y000", "y100", "z.00")
_ICD_CHILDREN = (
    (".0", "{}, mild"),
    (".1", "{}, severe"),
    (".2", "{} with complication"),
    (".8", "{}, other specified"),
    (".9", "{}, unspecified"),
)

_UNMAPPED_READ = {
    "symptom": (
        "1",
        "Cough|Headache|Backache|Tired all the time|Dizziness|Abdominal pain|Sore throat|"
        "Chest pain|Knee pain|Rash|Itching|Nausea|Diarrhoea|Constipation|Palpitations|"
        "Shoulder pain|Earache|Breathlessness|Ankle swelling|Insomnia|Low mood|Leg pain|"
        "Hip pain|Heartburn|Lump|Blocked nose|Cramp|Fever|Loss of appetite|Wheezing",
        ("C/O: {}", "{} symptom", "H/O: {}", "{} - worse", "{} - better", "No {}"),
    ),
    "measurement": (
        "2",
        "blood pressure|body weight|standing height|smoking status|alcohol intake|pulse|"
        "temperature|peak flow|body mass index|oxygen saturation",
        ("O/E - {}", "{} reading", "{} recorded", "{} checked"),
    ),
    "test": (
        "4",
        "haemoglobin|serum creatinine|serum cholesterol|plasma glucose|thyroid function|"
        "liver function|urine culture|platelet count|white cell count|serum potassium",
        ("{} level", "{} requested", "{} normal", "{} borderline"),
    ),
    "management": (
        "8",
        "medication review|advice|dietary advice|exercise advice|dressing of wound|vaccination|"
        "ear syringing|repeat prescription|telephone advice|counselling|smoking cessation advice|"
        "follow-up|physiotherapy|minor surgery|cervical smear",
        ("{} done", "{} offered", "{} declined", "{} arranged"),
    ),
    "referral": (
        "8H",
        "cardiology|dermatology|orthopaedics|ophthalmology|gynaecology|general surgery|"
        "neurology|physiotherapy|psychiatry|urology|rheumatology|ENT",
        ("Referral to {}", "Private referral to {}"),
    ),
    "administration": (
        "9",
        "letter from specialist|discharge letter|medical certificate|telephone encounter|"
        "appointment|patient registered|notes summary|screening invitation|insurance report|"
        "new patient check|home visit|out of hours report|e-mail|consent|records received",
        ("{}", "{} sent", "{} received", "{} requested", "{} cancelled"),
    ),
}
_UNMAPPED_ICD = (  # noqa: SIM905
    "Z92.1 Z86.7 Z72.0 R07.4 R10.4 Z53.9 R55 Y83.1 Z88.0 R06.0 Z85.3 W19.9 Z51.8 R31 Z95.5 "
    "R69 Z46.6 R11 Y95 Z96.6 R52.9 Z08.9 X59.9 R79.8 Z03.9 R42 Z82.4 Z43.3 R39.1 Z60.2"
).split()

_CODE_KINDS = ("diagnosis", *_UNMAPPED_READ)


class CodesToWrite(dy.Schema):
    """The codes of records, one row per code and use, in order of preference.

    A diagnosis of a disease has a `medcode` in the GP's record, or an `icd` code (with a dot) in
    HES. The other kinds are codes that no code list contains.
    """

    kind = dy.String(check=lambda kind: kind.is_in(_CODE_KINDS))
    disease = dy.Int16(nullable=True, min=0, description="index by name; null if unmapped")
    medcode = dy.Int64(nullable=True, min=1)
    icd = dy.String(nullable=True, regex=r"^[A-Z][0-9]{2}(\.[0-9A-Z])?$")

    @dy.rule()
    def one_kind_of_code(cls) -> pl.Expr:
        return pl.col("medcode").is_null() != pl.col("icd").is_null()


@dataclass(frozen=True)
class _ListedCode:
    """One row of a code list."""

    disease: int
    code: str
    description: str
    category: str


def invent_lists(diseases: pl.DataFrame) -> tuple[list[_ListedCode], list[_ListedCode]]:
    """Return the project's own Read and ICD-10 lists.

    Args:
        diseases: `name`, `chapter`, `sex`, in order of name.

    Raises:
        InputError: a chapter is not one of CALIBER's 16 categories.
    """
    names = diseases["name"].to_list()
    taken: dict[str, int] = {}
    read: list[_ListedCode] = []
    icd: list[_ListedCode] = []
    for disease, (name, chapter) in enumerate(zip(names, diseases["chapter"], strict=True)):
        if chapter not in _CHAPTERS:
            raise InputError(
                "diseases", f"{chapter!r} is not a chapter", "Use one of CALIBER's categories"
            )
        prefix, letter, first = _CHAPTERS[chapter]
        number = taken.get(chapter, 0)
        taken[chapter] = number + 1
        if name not in HOSPITAL_ONLY:
            read += _read_codes(disease, name, prefix + _STEMS[number])
        icd += _icd_codes(disease, name, f"{letter}{first + number:02d}")
    return _add_shared(diseases, read, "y"), _add_shared(diseases, icd, ".9")


def _read_codes(disease: int, name: str, stem: str) -> list[_ListedCode]:
    count = len(_READ_CODES) if name in _INFERTILITY else 4 + disease % (len(_READ_CODES) - 3)
    codes = []
    for ending, words, category in _READ_CODES[:count]:
        agnostic = name in _INFERTILITY and ending in _SEX_AGNOSTIC
        description = words.format("Infertility" if agnostic else name)
        codes.append(_ListedCode(disease, stem + ending, description, category.format(name)))
    past = f"14{_STEMS[disease // len(_STEMS)]}{_STEMS[disease % len(_STEMS)]}.00"
    return [*codes, _ListedCode(disease, past, f"H/O: {name}", f"History of {name}")]


def _icd_codes(disease: int, name: str, category: str) -> list[_ListedCode]:
    """Return a three-character category, its children, or the category and one child."""
    whole = _ListedCode(disease, category, name, f"Diagnosis of {name}")
    children = [
        _ListedCode(disease, category + ending, words.format(name), f"Diagnosis of {name}")
        for ending, words in _ICD_CHILDREN
    ]
    return [[whole], children, [whole, children[-1]]][disease % 3]


def _add_shared(
    diseases: pl.DataFrame, listed: list[_ListedCode], ending: str
) -> list[_ListedCode]:
    """List a code of every fifth disease, and most codes of infertility, under a second disease."""
    partners = _partners(diseases)
    extra = []
    done: set[int] = set()
    for row in listed:
        name = diseases["name"][row.disease]
        infertile = name == _INFERTILITY[0] and row.code.endswith(_SEX_AGNOSTIC)
        shareable = row.code[3:].startswith(ending) and row.disease % 5 == 0
        if row.disease in partners and (infertile or (shareable and row.disease not in done)):
            done.add(row.disease)
            other = partners[row.disease]
            words = row.category.replace(name, diseases["name"][other])
            extra.append(_ListedCode(other, row.code, row.description, words))
    return sorted([*listed, *extra], key=lambda row: row.disease)


def _partners(diseases: pl.DataFrame) -> dict[int, int]:
    """Return the next disease of the same chapter and sex, for each disease that has one."""
    rows = list(diseases.select("name", "chapter", "sex").iter_rows())
    partners = {}
    for disease, (name, *group) in enumerate(rows):
        if name in _INFERTILITY:
            continue
        after = [
            other
            for other in range(disease + 1, len(rows))
            if list(rows[other][1:]) == group and rows[other][0] not in _INFERTILITY
        ]
        if after:
            partners[disease] = after[0]
    names = [name for name, *_ in rows]
    if set(_INFERTILITY) <= set(names):
        partners[names.index(_INFERTILITY[0])] = names.index(_INFERTILITY[1])
    return partners


def write_lists(
    diseases: pl.DataFrame, folder: Path, opcs: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Write the project's own lists, in the layout of CALIBER's repository.

    Args:
        diseases: `name`, `chapter`, `sex`, in order of name.
        folder: replaced if it exists.
        opcs: `disease` (name), `code` ("W371") and `name` of procedures to list, or None.

    Returns:
        medcode, readcode, desc of each listed Read code (the columns of `medical.txt`).
    """
    read, icd = invent_lists(diseases)
    readcodes = list(dict.fromkeys(row.code for row in read))
    numbers = np.random.default_rng(0).permutation(len(readcodes) * 8)[: len(readcodes)] + 1
    medcodes = dict(zip(readcodes, numbers.tolist(), strict=True))
    with whole_folder(folder) as temporary:
        _write_folder(diseases, read, icd, medcodes, opcs, temporary)
    words = {row.code: row.description for row in reversed(read)}
    return pl.DataFrame(
        {
            "medcode": [medcodes[code] for code in readcodes],
            "readcode": readcodes,
            "desc": [words[code] for code in readcodes],
        }
    )


def _write_folder(
    diseases: pl.DataFrame,
    read: list[_ListedCode],
    icd: list[_ListedCode],
    medcodes: dict[str, int],
    opcs: pl.DataFrame | None,
    folder: Path,
) -> None:
    operations: dict[str, list[tuple[str, str]]] = {}
    if opcs is not None:
        for name, code, words in opcs.select("disease", "code", "name").iter_rows():
            operations.setdefault(name, []).append((f"{code[:3]}.{code[3:]}", words))
    dictionary, chapters = [], []
    for disease, (name, chapter) in enumerate(diseases.select("name", "chapter").iter_rows()):
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        read_rows = [
            (name, row.code, medcodes[row.code], row.description, row.category)
            for row in read
            if row.disease == disease
        ]
        icd_rows = [
            (name, row.code, row.description, row.category) for row in icd if row.disease == disease
        ]
        if read_rows:
            header = "Disease,Readcode,Medcode,ReadcodeDescr,Category"
            _write_csv(folder / "primary_care" / f"CPRD_{slug}.csv", header, read_rows)
        header = "Disease,ICD10code,ICD10codeDescr,Category"
        _write_csv(folder / "secondary_care" / f"ICD_{slug}.csv", header, icd_rows)
        cprd = f"CPRD_{slug}.csv" if read_rows else ""
        done = [
            (name, code, words, f"Procedure for {name}") for code, words in operations.get(name, ())
        ]
        if done:
            header = "Disease,OPCS4code,OPCS4codeDescr,Category"
            _write_csv(folder / "secondary_care" / f"OPCS_{slug}.csv", header, done)
        dictionary.append((name, cprd, f"ICD_{slug}.csv", f"OPCS_{slug}.csv" if done else ""))
        chapters.append((name, chapter))
    dictionary += [(name, "", "", "") for name in WITHOUT_A_LIST]
    chapters += [(name, "Diseases of the Circulatory System") for name in WITHOUT_A_LIST]
    _write_csv(folder / "dictionary.csv", "phenotype,CPRD,ICD,OPCS", dictionary)
    _write_csv(folder / "phenotype_categories_mapping.csv", "Phenotype,Category", sorted(chapters))


def _write_csv(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def read_medical(folder: Path) -> pl.DataFrame:
    """Return medcode, readcode, desc of each code in the primary-care lists of a folder.

    Read codes that a spreadsheet has turned into numbers (`7004300.0`, `3294`) are restored to
    seven characters.
    """
    files = [row["CPRD"] for row in _read_csv(folder / "dictionary.csv") if row["CPRD"]]
    found: dict[int, tuple[str, str]] = {}
    for name in files:
        for row in _read_csv(folder / "primary_care" / name):
            medcode = row["Medcode"].removesuffix(".0")
            if medcode.isdecimal():
                readcode = re.sub(r"^([0-9]{7})\.0$", r"\1", row["Readcode"])
                readcode = readcode if len(readcode) == 7 else f"{readcode:.<5}00"
                found.setdefault(int(medcode), (readcode, row["ReadcodeDescr"]))
    return pl.DataFrame(
        [(medcode, *words) for medcode, words in found.items()],
        schema={"medcode": pl.Int64, "readcode": pl.String, "desc": pl.String},
        orient="row",
    )


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return list(csv.DictReader(stream))


def unmapped_medical(listed: pl.DataFrame) -> pl.DataFrame:
    """Return kind, medcode, readcode, desc of codes that no code list contains.

    They are symptoms, measurements, tests, management, referrals and administration, with other
    medcodes and Read codes than those in `listed`.
    """
    rows = []
    taken = set(listed["readcode"])
    for kind, (prefix, things, patterns) in _UNMAPPED_READ.items():
        terms = [pattern.format(thing) for pattern in patterns for thing in things.split("|")]
        stems = (f"{prefix}{a}{b}"[:4] for a in "WXYZTUV" for b in _STEMS)
        codes = (code for stem in stems if (code := f"{stem:.<5}00") not in taken)
        for term, code in zip(terms, codes, strict=False):
            taken.add(code)
            rows.append((kind, code, term[0].upper() + term[1:]))
    free = np.setdiff1d(np.arange(1, len(taken) * 8), listed["medcode"].to_numpy())
    medcodes = np.random.default_rng(1).permutation(free)[: len(rows)]
    frame = pl.DataFrame(rows, schema=["kind", "readcode", "desc"], orient="row")
    return frame.with_columns(medcode=pl.Series(medcodes)).select(
        "kind", "medcode", "readcode", "desc"
    )


def codes_to_write(
    folder: Path, diseases: pl.DataFrame, unmapped: pl.DataFrame
) -> dy.DataFrame[CodesToWrite]:
    """Return the codes of the records of a delivery, from a folder of lists.

    Lists are read as the pipeline reads them. A three-character ICD-10 code is written as itself
    and as those of its children that are in no list.

    Args:
        folder: lists in the layout of CALIBER's repository.
        diseases: `name`, in order of name; the phenotypes of the lists must be the same.
        unmapped: `kind` and `medcode`, from `unmapped_medical`.

    Raises:
        InputError: the phenotypes of the lists differ from the diseases.
    """
    lists = read_lists(folder)
    names = diseases["name"].to_list()
    if lists.phenotypes["phenotype"].to_list() != names:
        odd = sorted(set(lists.phenotypes["phenotype"]) ^ set(names))
        raise InputError(
            folder / "dictionary.csv",
            f"{len(odd)} phenotypes differ from the simulated diseases, such as {odd[:3]}",
            "Use the lists of CALIBER's repository unchanged",
        )
    gp = lists.medcodes.sort("phenotype", "medcode").select(
        kind=pl.lit("diagnosis"), disease="phenotype", medcode="medcode", icd=pl.lit(None)
    )
    hospital = pl.DataFrame(
        _written_icd(lists), schema={"disease": pl.Int16, "icd": pl.String}, orient="row"
    ).select(kind=pl.lit("diagnosis"), disease="disease", medcode=pl.lit(None), icd="icd")
    read = unmapped.select("kind", disease=pl.lit(None), medcode="medcode", icd=pl.lit(None))
    listed = set(lists.icd["icd"])
    icd = pl.DataFrame(
        {"icd": [code for code in _UNMAPPED_ICD if not {code[:3], _bare(code)} & listed]}
    ).select(kind=pl.lit("symptom"), disease=pl.lit(None), medcode=pl.lit(None), icd="icd")
    schema = CodesToWrite.create_empty().schema
    return CodesToWrite.validate(
        pl.concat([frame.cast(schema) for frame in (gp, hospital, read, icd)])
    )


def read_codes(path: Path) -> dy.DataFrame[CodesToWrite]:
    """Read the result of `codes_to_write` from Parquet."""
    return CodesToWrite.validate(pl.read_parquet(path))


def _bare(code: str) -> str:
    return code.replace(".", "")


def _written_icd(lists: CodeLists) -> list[tuple[int, str]]:
    listed = set(lists.icd["icd"])
    written = []
    for code, disease in lists.icd.sort("phenotype", "icd").select("icd", "phenotype").iter_rows():
        if len(code) == 4:
            written.append((disease, f"{code[:3]}.{code[3]}"))
            continue
        free = [digit for digit in "9018" if code + digit not in listed]
        written += [(disease, f"{code}.{digit}") for digit in free] + [(disease, code)]
    return written
