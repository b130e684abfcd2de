"""Jobs for schedulers of clusters: arrays and manifests, as text."""
