"""Read a delivered part once: text in, typed Parquet out, sorted by shard.

In: a delivered file, zipped or not.
Out: extracted/<table>/<part>.parquet, one row a record, and a manifest of what was recognised,
read, kept and refused.
"""


rule extract:
    input:
        source=lambda wildcards: path_of(wildcards.table, wildcards.part, PARTS, FAULT),
    output:
        rows="<results>/extracted/{table}/{part}.parquet",
        manifest="<results>/extracted/{table}/{part}.json",
    log:
        "<logs>/extract/{table}/{part}.log",
    benchmark:
        "<benchmarks>/extract/{table}/{part}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=120,
    params:
        database=DATABASE.name,
        table=lambda wildcards: wildcards.table,
        unread=lambda wildcards: DATABASE.unread(
            wildcards.table, config["events"]["tables"]
        ),
        member=lambda wildcards: PARTS[wildcards.table, wildcards.part].member,
        shards=config["shards"],
        maximum_refused=config["extract"]["maximum_refused"],
        options=lambda wildcards: options_for(config["extract"], wildcards.table),
        code=code_hash(SCRIPTS / "extract.py", "cprd/layouts.toml"),
    message:
        "Read {wildcards.table}, part {wildcards.part}"
    script:
        "../scripts/extract.py"
