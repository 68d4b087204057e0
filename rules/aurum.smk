"""Find the phenotypes of CPRD Aurum's medical codes.

In: EMIS's dictionary, extracted, and the code lists; with aurum.snomed, lists of concepts.
Out: phenotypes/aurum_medcodes.parquet, the phenotypes of each medcodeid, and a manifest.
"""


rule aurum_codes:
    input:
        **({"snomed": AURUM["snomed"]} if "snomed" in AURUM else {}),
        dictionary=EXTRACTED["emismedicaldictionary"],
        phenotypes="<results>/phenotypes/phenotypes.parquet",
        medcodeids="<results>/phenotypes/medcodeids.parquet",
        read_codes="<results>/phenotypes/read_codes.parquet",
    output:
        medcodes="<results>/phenotypes/aurum_medcodes.parquet",
        manifest="<results>/phenotypes/aurum_medcodes.json",
    log:
        "<logs>/aurum_codes.log",
    benchmark:
        "<benchmarks>/aurum_codes.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(15),
    params:
        content=lambda wildcards: content_of(AURUM.get("snomed")),
        code=code_hash(SCRIPTS / "aurum_codes.py"),
    message:
        "Find the phenotypes of Aurum's codes"
    script:
        "../scripts/aurum_codes.py"
