"""Jobs for schedulers of clusters: what they are told, as text."""
