"""The delivered tables: columns in delivered order, and the type of every column that we read.

CPRD GOLD data specification (the generation without the SNOMED CT block), HES APC and ONS
linkage data dictionaries. Readers select by lower-cased header name; writers use the order.
"""

from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["id", "integer", "year", "date", "text"]


@dataclass(frozen=True)
class Table:
    """One delivered table.

    Attributes:
        name: our name, lower case.
        columns: delivered column names, in order, in delivered case.
        types: the columns that extract keeps, by lower-cased name, and how to read them.
        required: of those, the ones a row cannot do without (a blank refuses the row).
        renamed: names that other years' deliveries give to these columns, lower case.
    """

    name: str
    columns: tuple[str, ...]
    types: dict[str, ColumnType]
    required: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)


def _table(
    name: str,
    columns: str,
    types: dict[str, ColumnType],
    required: tuple[str, ...],
    renamed: dict[str, str] | None = None,
) -> Table:
    return Table(name, tuple(columns.split()), types, required, renamed or {})


GOLD = {
    table.name: table
    for table in (
        _table(
            "patient",
            "patid vmid gender yob mob marital famnum CHSreg CHSdate prescr capsup frd crd regstat "
            "reggap internal tod toreason deathdate accept",
            {
                "patid": "id",
                "gender": "integer",
                "yob": "year",
                "mob": "integer",
                "crd": "date",
                "tod": "date",
                "deathdate": "date",
                "accept": "integer",
            },
            ("patid", "accept"),
        ),
        _table(
            "practice",
            "pracid region lcd uts",
            {"pracid": "id", "region": "integer", "lcd": "date", "uts": "date"},
            ("pracid",),
        ),
        _table("staff", "staffid gender role", {"staffid": "id"}, ("staffid",)),
        _table(
            "consultation",
            "patid eventdate sysdate constype consid staffid duration",
            {"patid": "id", "eventdate": "date"},
            ("patid",),
        ),
        _table(
            "clinical",
            "patid eventdate sysdate constype consid medcode staffid episode enttype adid",
            {"patid": "id", "eventdate": "date", "medcode": "id"},
            ("patid",),
        ),
        _table(
            "additional",
            "patid enttype adid data1 data2 data3 data4 data5 data6 data7",
            {"patid": "id"},
            ("patid",),
        ),
        _table(
            "referral",
            "patid eventdate sysdate constype consid medcode staffid source nhsspec fhsaspec "
            "inpatient attendance urgency",
            {"patid": "id", "eventdate": "date", "medcode": "id"},
            ("patid",),
        ),
        _table(
            "test",
            "patid eventdate sysdate constype consid medcode staffid enttype data1 data2 data3 "
            "data4 data5 data6 data7 data8",
            {"patid": "id", "eventdate": "date", "medcode": "id"},
            ("patid",),
        ),
        _table(
            "therapy",
            "patid eventdate sysdate consid prodcode staffid dosageid bnfcode qty numdays numpacks "
            "packtype issueseq",
            {"patid": "id", "eventdate": "date", "prodcode": "id"},
            ("patid",),
        ),
    )
}

LINKED = {
    table.name: table
    for table in (
        _table(
            "linkage_eligibility",
            "patid pracid linkdate hes_e death_e cr_e lsoa_e mh_e",
            {"patid": "id", "hes_e": "integer"},
            ("patid", "hes_e"),
            renamed={"hes_apc_e": "hes_e"},
        ),
        _table(
            "linkage_coverage",
            "data_source start end",
            {"data_source": "text", "start": "date", "end": "date"},
            ("data_source",),
        ),
        _table(
            "hes_patient",
            "patid pracid gen_ethnicity gen_hesid n_patid_hes match_rank",
            {"patid": "id"},
            ("patid",),
        ),
        _table(
            "hes_hospital",
            "patid spno admidate discharged admimeth admisorc disdest dismeth duration elecdate "
            "elecdur",
            {"patid": "id", "admidate": "date"},
            ("patid",),
        ),
        _table(
            "hes_episodes",
            "patid spno epikey admidate epistart epiend discharged eorder epidur epitype admimeth "
            "admisorc disdest dismeth mainspef tretspef pconsult intmanig classpat firstreg",
            {"patid": "id"},
            ("patid",),
        ),
        _table(
            "hes_diagnosis_epi",
            "patid spno epikey epistart epiend ICD ICDx d_order",
            {"patid": "id", "epistart": "date", "icd": "text"},
            ("patid",),
        ),
        _table(
            "hes_diagnosis_hosp",
            "patid spno admidate discharged ICD ICDx",
            {"patid": "id", "admidate": "date", "icd": "text"},
            ("patid",),
        ),
        _table(
            "hes_primary_diag_hosp",
            "patid spno admidate discharged ICD_PRIMARY ICDx",
            {"patid": "id", "admidate": "date", "icd_primary": "text"},
            ("patid",),
        ),
        _table(
            "death_patient",
            "patid pracid gen_death_id n_patid_death match_rank dor dod dod_partial nhs_indicator "
            "pod_category cause cause1 cause2 cause3 cause4 cause5 cause6 cause7 cause8 cause9 "
            "cause10 cause11 cause12 cause13 cause14 cause15 cause_neonatal1 cause_neonatal2 "
            "cause_neonatal3 cause_neonatal4 cause_neonatal5 cause_neonatal6 cause_neonatal7 "
            "cause_neonatal8",
            {"patid": "id", "dod": "date"},
            ("patid",),
            renamed={"reg_date_of_death": "dod"},
        ),
    )
}

TABLES = {**GOLD, **LINKED}
