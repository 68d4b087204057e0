"""The simulated delivery.

Read in this order: `diseases` and `risks` (the tables), `world` (settings and what all people
share), `people`, `onsets`, `recordings` and `visits` (what happens to them), `process` (all of it
for a block of people), `code_lists` (the codes that records carry), `patients`, `primary_care`,
`linked_data` and `aurum` (a block as delivered tables, with `flaws`), `delivery` (the files).
Other inputs than diagnoses: `histories`, `treatments`, `markers` and `procedures`, `concepts` (all
of them for a block), `concept_tables` and `look_ups` (as delivered).

`coding`, `oracle` and `ceiling` compute the best possible forecast; `continuation` simulates it.
"""
