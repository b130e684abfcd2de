"""Rows of several clips: where they come from, and how they are written so that a rerun goes on."""
