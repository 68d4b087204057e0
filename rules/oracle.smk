"""The ceilings of every task (source `simulated`): the true probabilities of the labels.

The oracle knows the whole state of the process; oracle_records knows the process, but only the
recorded diagnoses of the patients.
In: truth/, which no stage for a licensed delivery reads; the code lists; the task's examples.
Out: predictions/<task>/{oracle,oracle_records}.parquet, like the predictions of a model.
"""


rule oracle:
    input:
        people=expand("<results>/truth/people/{part}.parquet", part=SIMULATED),
        onsets=expand("<results>/truth/onsets/{part}.parquet", part=SIMULATED),
        codes="<results>/truth/codes.parquet",
        medcodes="<results>/phenotypes/medcodes.parquet",
        icd="<results>/phenotypes/icd.parquet",
        sequences=SEQUENCES,
        examples="<results>/tasks/{task}.parquet",
    output:
        scores="<results>/predictions/{task}/oracle.parquet",
    log:
        "<logs>/oracle/{task}.log",
    benchmark:
        "<benchmarks>/oracle/{task}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=20),
        runtime=minutes(30, per_mb=0.5),
    params:
        task=lambda wildcards: plain(TASK[wildcards.task]),
        practices=config["simulation"]["practices"],
        seed=config["seed"],
        process=config["simulation"]["process"],
        code=code_hash(
            SCRIPTS / "oracle.py",
            "simulation/diseases.csv",
            "simulation/risks.csv",
        ),
    message:
        "Compute the true probabilities of {wildcards.task}"
    script:
        "../scripts/oracle.py"


rule oracle_records:
    input:
        codes="<results>/truth/codes.parquet",
        medcodes="<results>/phenotypes/medcodes.parquet",
        icd="<results>/phenotypes/icd.parquet",
        sequences=SEQUENCES,
        examples="<results>/tasks/{task}.parquet",
    output:
        scores="<results>/predictions/{task}/oracle_records.parquet",
    log:
        "<logs>/oracle_records/{task}.log",
    benchmark:
        "<benchmarks>/oracle_records/{task}.jsonl"
    priority: 1  # one of the longest
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(2500, per_mb=20),  # it takes 600 patients at a time
        runtime=minutes(30, per_mb=5),
    params:
        task=lambda wildcards: plain(TASK[wildcards.task]),
        practices=config["simulation"]["practices"],
        seed=config["seed"],
        process=config["simulation"]["process"],
        code=code_hash(
            SCRIPTS / "oracle_records.py",
            "simulation/diseases.csv",
            "simulation/risks.csv",
        ),
    message:
        "Compute the probabilities of {wildcards.task} given the records"
    script:
        "../scripts/oracle_records.py"
