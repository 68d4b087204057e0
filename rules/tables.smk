"""The tables: aggregates only, small counts suppressed.

In: what the entry of a table in src/behrt/catalogue.toml names.
Out: tables/<table>.csv.
"""

table_of = lambda wildcards: TABLE[wildcards.table]


rule table:
    input:
        unpack(lambda wildcards: inputs_of(table_of(wildcards))),
    output:
        table=reported("<results>/tables/{table}.csv", table_of, "table"),
    log:
        "<logs>/table/{table}.log",
    benchmark:
        "<benchmarks>/table/{table}.jsonl"
    wildcard_constraints:
        table="|".join(TABLE),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=10),
        runtime=minutes(30, per_mb=1),
    params:
        content=lambda wildcards: content_of(*inputs_of(table_of(wildcards)).values()),
        module=lambda wildcards: table_of(wildcards).module,
        settings=lambda wildcards: settings_of(table_of(wildcards)),
        data=config["source"],
        disclosure=DISCLOSURE,
        code=lambda wildcards: code_of(table_of(wildcards)),
        # Snakemake compares no function of `output`: an edited caption makes no table again.
        caption=lambda wildcards, output: caption_of(table_of(wildcards)),
    message:
        "Make the table {wildcards.table}"
    script:
        "../scripts/table.py"
