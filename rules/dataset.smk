"""Find the files of a MEDS dataset or of OMOP tables that a run reads. It has no rules."""

from behrt.concepts import concepts_in
from behrt.sources import meds, omop, omop_inputs
from behrt.sources.records import batches_of

FOLDER = Path(config[config["source"]]["folder"])
if config["source"] == "meds":
    FOUND, DESCRIPTION = meds.find_parts(FOLDER), meds.find_description(FOLDER)
    OWN_SPLIT = meds.find_split(FOLDER)
    INPUT_FILES, INPUT_DESCRIPTION = FOUND, DESCRIPTION
else:
    FOUND, DESCRIPTION = omop.find_parts(FOLDER), omop.find_concepts(FOLDER)
    OWN_SPLIT = None
    INPUT_FILES = omop_inputs.find_parts(FOLDER, concepts_in(config["inputs"]))
    INPUT_DESCRIPTION = DESCRIPTION | omop_inputs.find_ancestors(FOLDER)
# The files that one job reads, by table and number of the first.
IMPORTED, INPUT_PARTS = (
    batches_of(files, config["extract"]["megabytes_per_job"])
    for files in (FOUND, INPUT_FILES)
)
