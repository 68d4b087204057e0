"""Print the rules of the workflow, as Snakemake parses them, as JSON: `workflow_rules.py MEDS`.

It covers all kinds of input; MEDS is a folder that looks like a MEDS dataset.
"""

import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

from behrt.concepts import INPUTS


def main(meds: str) -> None:
    rules = {}
    inputs = {"inputs": list(INPUTS)}
    for config in (
        {"database": "aurum", **inputs},
        {"source": "meds", "meds": {"folder": meds}, **inputs},
    ):
        with SnakemakeApi(OutputSettings()) as api:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(config=config),
                snakefile=Path("workflow/Snakefile"),
            )
            for rule in workflow._workflow.rules:
                rules[rule.name] = {
                    "script": rule.script and Path(rule.script).stem,
                    "environment": rule.conda_env and Path(str(rule.conda_env)).stem,
                    "runs_text": bool(rule.shellcmd or rule.wrapper or rule.notebook),
                }
    print(json.dumps(rules))


if __name__ == "__main__":
    main(*sys.argv[1:])
