"""Trace the diseases of one sex that are recorded for the other to the codes that do it.

In: a CPRD delivery's extracted diagnoses, the cohort and the code lists.
Out: tables/sex_agnostic_codes.csv.
"""


rule table_sex_agnostic_codes:
    input:
        **(
            {"diseases": config["sex_analysis"]["diseases"]}
            if config["sex_analysis"]["diseases"]
            else {}
        ),
        **(
            {"dictionary": EXTRACTED["emismedicaldictionary"]}
            if DATABASE.name == "aurum"
            else {}
        ),
        lists=config["caliber"] or "<results>/caliber",
        phenotypes="<results>/phenotypes/phenotypes.parquet",
        medcodes=MEDCODES,
        icd="<results>/phenotypes/icd.parquet",
        cohort="<results>/cohort/cohort.parquet",
        gp=DIAGNOSES,
        pointers=POINTERS,
        hospital=EXTRACTED["hes_diagnosis_hosp"],
    output:
        table=report(
            "<results>/tables/sex_agnostic_codes.csv",
            caption="../workflow/report/table_sex_agnostic_codes.rst",
            category="Diseases",
            subcategory="Sex",
            labels={
                "shows": "Codes that record them for the other sex",
                "as": "table",
            },
        ),
    log:
        "<logs>/table_sex_agnostic_codes.log",
    benchmark:
        "<benchmarks>/table_sex_agnostic_codes.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=120,
    params:
        shards=config["shards"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(
            SCRIPTS / "table_sex_agnostic_codes.py", "caliber/sex_specific.csv"
        ),
    message:
        "Trace the diseases of one sex to their codes"
    script:
        "../scripts/table_sex_agnostic_codes.py"
