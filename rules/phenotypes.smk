"""Read the code lists that define the diseases.

In: a folder laid out as the CALIBER repository.
Out: the phenotypes in a fixed order, and the medcodes, medcodeids, ICD-10 codes and Read codes of
each.
"""


rule phenotypes:
    input:
        # by content, below: the date of a folder does not depend on its files
        lists=ancient(config["caliber"]) if config["caliber"] else "<results>/caliber",
    output:
        phenotypes="<results>/phenotypes/phenotypes.parquet",
        medcodes="<results>/phenotypes/medcodes.parquet",
        medcodeids="<results>/phenotypes/medcodeids.parquet",
        icd="<results>/phenotypes/icd.parquet",
        read_codes="<results>/phenotypes/read_codes.parquet",
        manifest="<results>/phenotypes/manifest.json",
    log:
        "<logs>/phenotypes.log",
    benchmark:
        "<benchmarks>/phenotypes.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(15),
    params:
        content=lambda wildcards: content_of(config["caliber"]),
        code=code_hash(SCRIPTS / "phenotypes.py", "caliber/release.json"),
    message:
        "Read the code lists"
    script:
        "../scripts/phenotypes.py"
