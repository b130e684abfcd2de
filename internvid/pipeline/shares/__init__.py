"""Work on one dataset by many processes: stages, sealing, and plans of what to do."""
