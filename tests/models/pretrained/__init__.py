"""Tests of loading and running other people's models."""
