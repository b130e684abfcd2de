"""What leaves the house: exporters and their manifests."""
