"""Work of one dataset that is shared by many processes and machines."""
