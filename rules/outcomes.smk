"""Predict outcomes: single events that the configuration defines, or labels of a file.

In: the sequences, the MEDS events (deaths), and the admissions of the delivery or dataset; truth/,
where patients are simulated, which only the oracle reads.
Out: admissions/<shard>.parquet, the stays in hospital. In outcomes/<outcome>/: labels.parquet, one
row per prediction; manifest.json, what is left after each criterion; models/<labels>/<model>/ and
predictions/<labels>/<model>.parquet, where <labels> is `all` or the number that is learned from;
predictions/oracle.parquet of simulated patients.
"""

if CPRD:

    rule extract_admissions:
        input:
            sources=lambda wildcards: paths_of(
                "hes_hospital", wildcards.part, PARTS, FAULT
            ),
        output:
            **HOSPITAL,
        log:
            "<logs>/extract_admissions/{part}.log",
        benchmark:
            "<benchmarks>/extract_admissions/{part}.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000, per_mb=20),
            runtime=minutes(15, per_mb=0.2),
        params:
            content=lambda wildcards: content_of(
                None
                if SIMULATED
                else [part.path for part in HOSPITAL_PARTS[wildcards.part]]
            ),
            members=lambda wildcards: [
                part.member for part in HOSPITAL_PARTS[wildcards.part]
            ],
            shards=config["shards"],
            maximum_refused=config["extract"]["maximum_refused"],
            options=options_for(config["extract"], "hes_hospital"),
            code=code_hash(SCRIPTS / "extract_admissions.py", "cprd/layouts.toml"),
        message:
            "Read the admissions of hes_hospital, from part {wildcards.part} on"
        script:
            "../scripts/extract_admissions.py"

else:

    rule import_admissions:
        input:
            sources=lambda wildcards: [
                part.path for part in HOSPITAL_PARTS[wildcards.part]
            ],
        output:
            **HOSPITAL,
        log:
            "<logs>/import_admissions/{part}.log",
        benchmark:
            "<benchmarks>/import_admissions/{part}.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000, per_mb=60),
            runtime=minutes(15, per_mb=1),
        params:
            content=lambda wildcards: content_of(
                [part.path for part in HOSPITAL_PARTS[wildcards.part]]
            ),
            layout=config["source"],
            shards=config["shards"],
            maximum_refused=config["extract"]["maximum_refused"],
            codes=config["meds"]["admissions"],
            blank=config["extract"]["blank"],
            code=code_hash(SCRIPTS / "import_admissions.py"),
        message:
            "Read the admissions, from part {wildcards.part} on"
        script:
            "../scripts/import_admissions.py"


rule admissions:
    input:
        records=expand(HOSPITAL["records"], part=HOSPITAL_PARTS),
    output:
        stays="<results>/admissions/{shard}.parquet",
    log:
        "<logs>/admissions/{shard}.log",
    benchmark:
        "<benchmarks>/admissions/{shard}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=20, jobs=len(SHARDS)),
        runtime=minutes(15, per_mb=1, jobs=len(SHARDS)),
    params:
        shard=lambda wildcards: int(wildcards.shard),
        code=code_hash(SCRIPTS / "admissions.py"),
    message:
        "Find the stays in hospital of shard {wildcards.shard}"
    script:
        "../scripts/admissions.py"


rule outcome:
    input:
        unpack(label_sources),
        sequences=SEQUENCES,
        vocabulary="<results>/vocabulary.json",
    output:
        labels="<results>/outcomes/{outcome}/labels.parquet",
        manifest="<results>/outcomes/{outcome}/manifest.json",
    log:
        "<logs>/outcome/{outcome}.log",
    benchmark:
        "<benchmarks>/outcome/{outcome}.jsonl"
    wildcard_constraints:
        outcome="|".join(OUTCOMES) or "$^",
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=30),
        runtime=minutes(15, per_mb=0.5),
    params:
        content=lambda wildcards: content_of(OUTCOMES[wildcards.outcome]["labels"]),
        outcome=lambda wildcards: OUTCOMES[wildcards.outcome],
        name=lambda wildcards: wildcards.outcome,
        seed=config["seed"],
        cut_off=cut_off_of(config),
        records_of_the_day=lambda wildcards: includes_the_day(wildcards.outcome),
        code=code_hash(SCRIPTS / "outcome.py"),
    message:
        "Label the outcome {wildcards.outcome}"
    script:
        "../scripts/outcome.py"


rule outcome_model:
    input:
        unpack(outcome_start),
        tuned=outcome_searches,
        sequences=SEQUENCES,
        labels="<results>/outcomes/{outcome}/labels.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/outcomes/{outcome}/models/{number}/{model}/model.safetensors",
        model_config="<results>/outcomes/{outcome}/models/{number}/{model}/config.json",
        metrics="<results>/outcomes/{outcome}/models/{number}/{model}/metrics.jsonl",
        predictions="<results>/outcomes/{outcome}/predictions/{number}/{model}.parquet",
    log:
        "<logs>/outcome_model/{outcome}/{number}/{model}.log",
    benchmark:
        "<benchmarks>/outcome_model/{outcome}/{number}/{model}.jsonl"
    wildcard_constraints:
        outcome="|".join(OUTCOMES) or "$^",
        model="|".join(FEW_LABEL_MODELS),
        number="|".join([ALL_LABELS, *FEW_LABELS]),
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=training_memory(few_labels_trained, per_mb=120),
        runtime=training_time(few_labels_trained),
        gpu=lambda wildcards: int(outcome_compute(wildcards)["accelerator"] == "gpu"),
    params:
        recipe=lambda wildcards: FEW_LABEL_MODELS[wildcards.model],
        outcome=lambda wildcards: wildcards.outcome,
        diseases=lambda wildcards: list(outcomes_of(config)[wildcards.outcome].diseases),
        number=labels_learned,
        protocol=config["protocol"],
        compute=outcome_compute,
        code=lambda wildcards: code_hash(
            SCRIPTS / "outcome_model.py",
            f"behrt.outcome_models.{FEW_LABEL_MODELS[wildcards.model]['kind']}",
        ),
    message:
        "Train {wildcards.model} for {wildcards.outcome}, {wildcards.number} labels ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/outcome_model.py"


if SIMULATED:

    rule outcome_oracle:
        input:
            unpack(discharges),
            people=expand("<results>/truth/people/{part}.parquet", part=SIMULATED),
            onsets=expand("<results>/truth/onsets/{part}.parquet", part=SIMULATED),
            codes="<results>/truth/codes.parquet",
            medcodes="<results>/phenotypes/medcodes.parquet",
            icd="<results>/phenotypes/icd.parquet",
            labels="<results>/outcomes/{outcome}/labels.parquet",
            vocabulary="<results>/vocabulary.json",
        output:
            predictions="<results>/outcomes/{outcome}/predictions/oracle.parquet",
        log:
            "<logs>/outcome_oracle/{outcome}.log",
        benchmark:
            "<benchmarks>/outcome_oracle/{outcome}.jsonl"
        wildcard_constraints:
            outcome="|".join(OUTCOMES) or "$^",
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000, per_mb=25),
            runtime=minutes(30, per_mb=0.5),
        params:
            outcome=lambda wildcards: OUTCOMES[wildcards.outcome],
            name=lambda wildcards: wildcards.outcome,
            practices=config["simulation"]["practices"],
            seed=config["seed"],
            process=config["simulation"]["process"],
            code=code_hash(
                SCRIPTS / "outcome_oracle.py",
                "simulation/diseases.csv",
                "simulation/risks.csv",
            ),
        message:
            "Compute the true risks of {wildcards.outcome}"
        script:
            "../scripts/outcome_oracle.py"


rule assess_outcome:
    input:
        unpack(outcome_ceiling),
        predictions=outcome_predictions,
        sequences=SEQUENCES,
    output:
        scores="<results>/outcomes/{outcome}/assessment/{number}/scores.parquet",
        reliability="<results>/outcomes/{outcome}/assessment/{number}/reliability.parquet",
        net_benefit="<results>/outcomes/{outcome}/assessment/{number}/net_benefit.parquet",
    log:
        "<logs>/assess_outcome/{outcome}/{number}.log",
    benchmark:
        "<benchmarks>/assess_outcome/{outcome}/{number}.jsonl"
    wildcard_constraints:
        outcome="|".join(OUTCOMES) or "$^",
        number="|".join([ALL_LABELS, ALL_LABELS_OF_MORE, *FEW_LABELS]),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=20),
        runtime=minutes(30, per_mb=1),
    params:
        outcome=lambda wildcards: wildcards.outcome,
        reference=AGE_SEX,
        bootstrap=dict(resamples=config["evaluation"]["resamples"], seed=config["seed"]),
        code=code_hash(SCRIPTS / "assess_outcome.py"),
    message:
        "Assess the models of {wildcards.outcome}, {wildcards.number} labels"
    script:
        "../scripts/assess_outcome.py"
