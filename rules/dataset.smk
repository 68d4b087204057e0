"""Find the files of a MEDS dataset or of OMOP tables that a run reads. It has no rules."""

from behrt.sources import meds, omop

FOLDER = Path(config[config["source"]]["folder"])
if config["source"] == "meds":
    FOUND, DESCRIPTION = meds.find_parts(FOLDER), meds.find_description(FOLDER)
    OWN_SPLIT = meds.find_split(FOLDER)
else:
    FOUND, DESCRIPTION = omop.find_parts(FOLDER), omop.find_concepts(FOLDER)
    OWN_SPLIT = None
IMPORTED = {(part.table, part.part): part for part in FOUND}
