"""Tests of the models: weights are made, never downloaded."""
