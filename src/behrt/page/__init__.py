"""The results page and the model card: what a run was, and all that it found, to be read at once.

They read a run's tables, figures and models' settings: no patient, and no count that a table
does not show.
"""
