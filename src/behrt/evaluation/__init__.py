"""Metrics, intervals, tables, and disclosure control."""
