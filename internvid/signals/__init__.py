"""Measures clips: aggregates of a timeline over a span, as typed columns."""
