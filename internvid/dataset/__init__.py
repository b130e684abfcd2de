"""The dataset folder: Parquet parts, recorded state, and readers over them."""
