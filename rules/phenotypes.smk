"""Read the code lists that define the diseases.

In: a folder laid out as the CALIBER repository.
Out: the phenotypes in their fixed order, and which medcode and ICD-10 code means which.
"""


rule phenotypes:
    input:
        lists=config["caliber"] or "<results>/caliber",
    output:
        phenotypes="<results>/phenotypes/phenotypes.parquet",
        medcodes="<results>/phenotypes/medcodes.parquet",
        icd="<results>/phenotypes/icd.parquet",
        manifest="<results>/phenotypes/manifest.json",
    log:
        "<logs>/phenotypes.log",
    benchmark:
        "<benchmarks>/phenotypes.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        code=code_hash(SCRIPTS / "phenotypes.py", "caliber/release.json"),
    message:
        "Read the code lists"
    script:
        "../scripts/phenotypes.py"
