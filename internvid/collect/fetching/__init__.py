"""What a table names is fetched: items, engines, outcomes, and the table that a build reads."""
