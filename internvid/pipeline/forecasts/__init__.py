"""What a build costs on more than one machine, before anything is built."""
