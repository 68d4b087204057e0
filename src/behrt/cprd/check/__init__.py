"""The check of a delivery before hours of work: what is there, what is missing, what a run needs.

`sampling` reads the small source tables whole and the first megabytes of every other file,
`estimation` selects the cohort from what was read and estimates the whole one, `report` puts the
findings together and `text` prints them. What is read goes through the same code as in a run. The
report holds no patient id, no date and no small count.
"""
