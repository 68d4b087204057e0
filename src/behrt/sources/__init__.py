"""Sources other than CPRD: a MEDS dataset or OMOP tables become the MEDS dataset of a run.

`meds` and `omop` turn the rows of their files into records (`records`); `table_files` and `values`
read the files and cells of tables. The further steps are the same for both: `codes`, `concepts` and
`words` decide what each code becomes, and `events` makes the events of a shard.
"""
