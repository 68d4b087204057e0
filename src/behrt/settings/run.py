"""The whole configuration of a run."""

import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import Count, Section
from behrt.settings.behrt import Pretrain
from behrt.settings.concepts import ConceptSettings, Inputs
from behrt.settings.delivery import (
    Aurum,
    CaliberRelease,
    Check,
    CohortRules,
    Database,
    Delivery,
    Events,
    Extract,
)
from behrt.settings.evaluation import (
    DEFAULT_TASKS,
    Ablation,
    Disclosure,
    Evaluation,
    ExampleSettings,
    Neighbours,
    SexAnalysis,
    Split,
    Tasks,
)
from behrt.settings.models import ModelEntry, Name, Search
from behrt.settings.outcomes import OutcomeSettings
from behrt.settings.simulation import Simulation
from behrt.settings.sources import CodeSettings, Meds, Omop
from behrt.settings.training import Accelerator, Gpu, Precision

TRIVIAL = ("prevalence", "history")
CEILINGS = ("oracle_records", "oracle")
"""Models that are rows of every table; each is the only model of its kind with that name."""

CUT_OFF_FROM = {"simulated": 1985, "cprd": 1950, "meds": 1900, "omop": 1900}
"""The first year in which a split by time can cut, by source."""

CUT_OFF_TO = {"simulated": 2018, "meds": 2300, "omop": 2300}
"""The last such year: of the simulated records, and of dates shifted to protect patients. That of
CPRD is the current year."""

RESERVED_DRAWS = ("split", "practice", "labels")
"""Random draws of patients that are not those of an outcome (`behrt.hashing`)."""


class RunSettings(Section):
    """Every key of config/*.yaml. A key that is not described here is refused. A key that is left
    out has its default.
    """

    run: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$", examples=["my_run-1"])]
    """The name of the run. Everything is written to <results>/<run>/."""

    results: Annotated[str, Field(min_length=1)] = "results"
    """The folder of all runs, relative to the working directory."""

    seed: Annotated[int, Field(ge=0)] = 2020
    """Every random draw depends on it."""

    source: Literal["simulated", "cprd", "meds", "omop"] = "simulated"
    """The origin of the data: `simulated` makes a CPRD delivery under results/<run>/delivery,
    `cprd` reads a licensed one from delivery.folder, `meds` a MEDS dataset from meds.folder, `omop`
    the tables of an OMOP CDM from omop.folder."""

    database: Database = "gold"
    """The CPRD database that is delivered or simulated (sources `cprd` and `simulated`): GOLD,
    which the paper used, or Aurum."""

    protocol: Literal["strict", "paper"] = "strict"
    """`strict`: pretraining reads training patients only, epochs are chosen on tuning patients, and
    held-out patients are read once, by the evaluation. `paper`: as in the paper and its released
    code, pretraining reads all patients, and epochs are chosen on held-out patients."""

    shards: Annotated[int, Field(ge=1, le=1000)] = 4
    """Number of files over which patients are distributed by a hash of their id. A job after
    extract holds one shard in memory; use about 100,000 patients per shard."""

    keep_text: bool = True
    """Whether the simulated text and the rows extracted from delivered files are kept. With false,
    each is deleted when all jobs of the command that read it are done; delivered files never are.
    A later command that needs it, for another target, makes it again, and all that depends on
    it."""

    caliber: str | None = None
    """A folder with code lists laid out as the CALIBER repository's (dictionary.csv,
    phenotype_categories_mapping.csv, primary_care/, secondary_care/). With null, a simulated
    delivery uses the project's own simulated lists, which fit no other data; MEDS and OMOP use no
    lists, and the data's own codes are the vocabulary."""

    caliber_release: CaliberRelease = CaliberRelease()
    """Where `snakemake caliber` takes the public code lists from, and where it puts them."""

    simulation: Simulation = Simulation()
    """What is simulated (source `simulated`)."""

    delivery: Delivery = Delivery()
    """Where a licensed delivery is (source `cprd`)."""

    extract: Extract = Extract()
    """How delivered text is read."""

    check: Check = Check()
    """How much `snakemake check_delivery` reads."""

    cohort: CohortRules = CohortRules()
    """Who is studied. Each key is a rule, or a rule's parameter."""

    events: Events = Events()
    """Which records become events."""

    aurum: Aurum = Aurum()
    """What a run on CPRD Aurum needs in addition to the delivery."""

    meds: Meds = Meds()
    """The MEDS dataset (source `meds`)."""

    omop: Omop = Omop()
    """The tables of an OMOP common data model (source `omop`)."""

    codes: CodeSettings = CodeSettings()
    """Which codes become words (sources `meds` and `omop`)."""

    inputs: Inputs = ("diagnoses",)
    """What models read of a patient's history: `diagnoses`, as in the paper, and, in addition,
    `medications`, `procedures`, `tests` and `measurements`. Labels remain diseases or outcomes.
    Only these are read from the data, or simulated."""

    concepts: ConceptSettings = ConceptSettings()
    """How inputs beyond diagnoses become words."""

    split: Split = Split()
    """How patients are split into training, tuning and held-out patients."""

    tasks: Tasks = Field(default=DEFAULT_TASKS, validate_default=True)
    """What is predicted, by the name of the task (a letter, then letters and digits): the window
    after the last input visit, `next_visit` or {months: …}. A task that a file adds
    (`T4: {months: 24}`) is trained and shown with T1, T2 and T3; null excludes a task. Tables and
    figures show them in order of their windows."""

    examples: ExampleSettings = ExampleSettings()
    """How a task's examples are drawn from patients' histories."""

    outcomes: dict[Name, OutcomeSettings | None] = {}
    """Single events that `snakemake outcomes` predicts, by name. null excludes an outcome."""

    pretrain: Pretrain
    """Pretraining, from which models with `pretrained` start: the paper's masked language modelling
    (`mlm`), or the prediction of each visit from those before it (`forecast`)."""

    models: dict[Name, ModelEntry | None]
    """The models of the tables, by the name that they have there, in that order. null excludes a
    model, which a file given by --configfile cannot do otherwise. The rows prevalence and history
    are in every table. On simulated data the rows `oracle_records` and `oracle` are added, so no
    model may have these names.
    """

    more_models: dict[Name, ModelEntry | None] = {}
    """Further models, which `snakemake paper` trains and shows with the others in table1_more and
    table2_more. null excludes a model."""

    tune: bool = False
    """Whether trainings use the values that `search` chooses, in place of those configured. A
    BEHRT, pretrained or not, has the sizes that were chosen for mlm."""

    search: Search = Search()
    """The search of hyper-parameters, which `snakemake paper` runs."""

    evaluation: Evaluation = Evaluation()
    """How models are scored and what the tables show."""

    ablation: Ablation = Ablation()
    """What is trained again with each combination of embeddings on or off (target `paper`)."""

    neighbours: Neighbours = Neighbours()
    """What the nearest diseases of the embedding are compared with."""

    sex_analysis: SexAnalysis = SexAnalysis()
    """What is computed about the diseases that only one sex can have."""

    disclosure: Disclosure = Disclosure()
    """What tables, figures, logs and the release may show of numbers of patients."""

    model: str | None = None
    """The folder of a trained model (results/<run>/trained/<task>/<model>) of any run, which
    `snakemake validate` scores on the patients of this one."""

    shared_words: bool = False
    """Whether `snakemake validate` scores a model of another vocabulary than this run's, from the
    words that both have. With false, such a model is refused."""

    planned_patients: Count | None = None
    """Number of patients of a larger run, before any exclusion, for which `snakemake resources`
    advises; with null, it advises for this run."""

    precision: Precision = "auto"
    """Precision of training. `auto` computes in bf16 where the hardware does so fast. Runs of
    different precision differ in their bytes."""

    accelerator: Accelerator = "cpu"
    """The device on which networks are trained and used: the `cpu`, or one `gpu` (NVIDIA) per job,
    which the job then also requests from the cluster. Other models always use the CPU."""

    gpu: Gpu = Gpu()
    """How networks are trained on GPUs."""

    training_threads: Count = 1
    """CPU threads of one training. With 1, results do not depend on --cores, and several trainings
    at once use the cores better than one training with several threads."""

    @model_validator(mode="after")
    def _the_source_is_given(self) -> "RunSettings":
        folders = {
            "cprd": self.delivery.folder,
            "meds": self.meds.folder,
            "omop": self.omop.folder,
        }
        if folders.get(self.source, "") is None:
            section = "delivery" if self.source == "cprd" else self.source
            raise InputError(
                f"{section}.folder", "it is missing", f"Give the folder of the {self.source} data"
            )
        if self.source == "cprd" and self.caliber is None:
            raise InputError(
                "caliber", "it is missing", "With source cprd, give the folder of the code lists"
            )
        return self

    @model_validator(mode="after")
    def _concepts_can_be_read(self) -> "RunSettings":
        if self.source == "cprd" and self.database == "aurum":
            lists = {
                "tests": self.concepts.tests.codes,
                "measurements": self.concepts.measurements.codes,
            }
            for concept, path in lists.items():
                if concept in self.inputs and path is None:
                    raise InputError(
                        f"concepts.{concept}.codes",
                        "it is missing",
                        f"Give a CSV file that states which medcodeids are {concept}, or remove "
                        f"{concept} from `inputs`",
                    )
        if self.source == "omop" and self.concepts.procedures.level == "caliber":
            raise InputError(
                "concepts.procedures.level",
                "CALIBER's lists of procedures are not read with OMOP tables",
                "Give 3 or 4",
            )
        if self.source == "meds":
            for name in ("medications", "procedures"):
                default = getattr(ConceptSettings(), name).level
                if getattr(self.concepts, name).level != default:
                    raise InputError(
                        f"concepts.{name}.level",
                        f"a MEDS dataset's {name} are its own codes, which have no level",
                        f"Remove it, or set it to {default}",
                    )
        hospital = {"hes_hospital", "hes_diagnosis_hosp"}
        if "procedures" in self.inputs and hospital <= set(self.delivery.without):
            raise InputError(
                "inputs",
                "procedures are read from HES, which `delivery.without` leaves out",
                "Remove procedures, or one of the tables of HES from `delivery.without`",
            )
        return self

    @model_validator(mode="after")
    def _outcomes_have_their_own_draws(self) -> "RunSettings":
        for name in self.outcomes:
            if name[:8] in RESERVED_DRAWS:  # a draw is named by eight characters
                raise InputError(f"outcomes.{name}", "this name is reserved", "Rename the outcome")
        return self

    @model_validator(mode="after")
    def _the_split_fits(self) -> "RunSettings":
        if self.split.by in ("practice", "time") and self.protocol != "strict":
            raise InputError(
                "protocol",
                f"it is {self.protocol}, which learns from held-out patients",
                f"Set strict for a split by {self.split.by}",
            )
        if self.split.cut_off is not None:
            first = CUT_OFF_FROM[self.source]
            last = CUT_OFF_TO.get(self.source, datetime.date.today().year)
            if not first <= self.split.cut_off.year <= last:
                raise InputError(
                    "split.cut_off",
                    f"{self.source} data has no records in {self.split.cut_off.year}",
                    f"Give a day in the years {first} to {last}",
                )
        return self

    @model_validator(mode="after")
    def _trivial_models_are_there(self) -> "RunSettings":
        for name in TRIVIAL:
            model = self.models.get(name)
            if model is None or model.kind != name:
                raise InputError(
                    f"models.{name}",
                    "it is a row of every table" if model is None else f"its kind is {model.kind}",
                    f"Set it to {{kind: {name}}}",
                )
        for section in ("models", "more_models"):
            for name in CEILINGS:
                if name in getattr(self, section):
                    raise InputError(
                        f"{section}.{name}", "the true risks have this name", "Give it another name"
                    )
        return self
