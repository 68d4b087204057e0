"""Read each delivered part once: text to typed Parquet, sorted by shard.

In: a delivered file, zipped or not.
Out: extracted/<source table>/<part>.parquet, one row per record, and a manifest of what was
recognised, read, kept and refused.
"""


rule extract:
    input:
        source=lambda wildcards: path_of(
            wildcards.source_table, wildcards.part, PARTS, FAULT
        ),
    output:
        rows="<results>/extracted/{source_table}/{part}.parquet",
        manifest="<results>/extracted/{source_table}/{part}.json",
    log:
        "<logs>/extract/{source_table}/{part}.log",
    benchmark:
        "<benchmarks>/extract/{source_table}/{part}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=20),
        runtime=minutes(15, per_mb=0.2),
    params:
        content=lambda wildcards: content_of(
            None if SIMULATED else PARTS[wildcards.source_table, wildcards.part].path
        ),
        database=DATABASE.name,
        source_table=lambda wildcards: wildcards.source_table,
        unread=lambda wildcards: DATABASE.unread(
            wildcards.source_table, config["events"]["tables"], config["inputs"]
        ),
        member=lambda wildcards: PARTS[wildcards.source_table, wildcards.part].member,
        shards=config["shards"],
        maximum_refused=config["extract"]["maximum_refused"],
        options=lambda wildcards: options_for(config["extract"], wildcards.source_table),
        code=code_hash(SCRIPTS / "extract.py", "cprd/layouts.toml"),
    message:
        "Read {wildcards.source_table}, part {wildcards.part}"
    script:
        "../scripts/extract.py"
