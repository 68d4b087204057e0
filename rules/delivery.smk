"""Find the parts of a CPRD delivery that a run reads, before any job runs. It has no rules.

Two targets also work on a delivery with faults, for which PARTS then has placeholders: `caliber`
needs no delivery, and `check_delivery` reports its faults.
"""

from behrt.cprd.concepts.look_ups import (
    LookUpFile,
    find_look_ups,
    find_medical,
    needed,
)
from behrt.cprd.databases import DATABASES
from behrt.cprd.delivery import (
    batches_of,
    find_parts,
    list_files,
    paths_of,
    require,
)
from behrt.errors import InputError
from behrt.simulation.paths import look_up_files, simulated_parts

DATABASE = DATABASES[config["database"]]
WITHOUT = config["delivery"]["without"]
# While it reads a Snakefile, Snakemake states its targets only on its command line (in that of a
# job as `name:`).
FAULTS_ALLOWED = bool(
    {"caliber", "check_delivery"} & {word.rstrip(":") for word in sys.argv}
)
FAULT = None
NEEDED = DATABASE.needed(
    config["events"]["tables"],
    WITHOUT,
    coverage_stated=bool(config["cohort"]["hes_start"] and config["cohort"]["hes_end"]),
    inputs=config["inputs"],
)

if SIMULATED:
    DELIVERY = Path(RESULTS, "delivery")
    DELIVERED = simulated_parts(
        DELIVERY,
        len(SIMULATED),
        DATABASE.name,
        config["inputs"],
        config["simulation"]["people"],
    )
    DELIVERY_FILES = [part.path for part in DELIVERED]
    CONCEPT_LOOK_UPS = {
        name: LookUpFile(
            Path(
                config["concepts"]["look_ups"].get(name)
                or DELIVERY / look_up_files(DATABASE.name, config["inputs"])[name]
            ),
            name=name,
        )
        for name in needed(DATABASE.name, config["inputs"])
    }
else:
    DELIVERY = Path(config["delivery"]["folder"])
    DELIVERY_FILES = list_files(DELIVERY)
    try:
        DELIVERED = find_parts(
            DELIVERY, named=config["delivery"]["files"], database=DATABASE.name
        )
        require(DELIVERED, NEEDED, DELIVERY, DATABASE.name)
        CONCEPT_LOOK_UPS = find_look_ups(
            DELIVERY, DATABASE.name, config["inputs"], config["concepts"]["look_ups"]
        )
    except InputError as error:
        if not FAULTS_ALLOWED:
            raise
        FAULT = error
        # Placeholders, so that the other rules can be defined.
        DELIVERED = simulated_parts(DELIVERY, 1, DATABASE.name)
        CONCEPT_LOOK_UPS = {}

# The parts that one job reads, by table and number of the first.
PARTS = batches_of(DELIVERED, config["extract"]["megabytes_per_job"])
EXTRACTED = {
    source_table: [
        f"<results>/extracted/{source_table}/{part}.parquet"
        for name, part in PARTS
        if name == source_table and name in NEEDED
    ]
    for source_table in DATABASE.source_tables
}
RECORDS, DIAGNOSES, POINTERS = (
    [path for source_table in source_tables for path in EXTRACTED[source_table]]
    for source_tables in (
        DATABASE.records,
        *DATABASE.diagnoses(config["events"]["tables"]),
    )
)
# The phenotypes of the codes of general practice. CALIBER lists the medcodes of CPRD GOLD.
MEDCODES = (
    "<results>/phenotypes/aurum_medcodes.parquet"
    if DATABASE.name == "aurum"
    else "<results>/phenotypes/medcodes.parquet"
)
AURUM = {key: path for key, path in config["aurum"].items() if path}
OWN_SPLIT = None
CONCEPTS = concepts_in(config["inputs"])
# The code lists of CPRD Aurum's observations, which a simulated delivery has.
OBSERVATION_LISTS = {
    f"{concept.removesuffix('s')}_codes": config["concepts"][concept]["codes"]
    or str(DELIVERY / look_up_files(DATABASE.name, [concept])[concept])
    for concept in CONCEPTS
    if DATABASE.name == "aurum" and concept in ("tests", "measurements")
}
