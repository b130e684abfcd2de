"""What makes a release of an export: checksums of its files, its version, ids that were removed."""
