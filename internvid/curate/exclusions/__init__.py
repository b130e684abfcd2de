"""What may not be selected: clips of benchmarks, of unwanted owners, of unwanted licences."""
