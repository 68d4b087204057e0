"""The results page and the model card: the settings and all results of a run.

They read tables, figures and models' settings: no patients, and no count that no table shows.
"""
