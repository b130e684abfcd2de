"""Types, contracts, registry, configuration and errors: the floor everything stands on."""
