"""Inputs beyond diagnoses, from the records of CPRD and HES to MEDS events."""
