"""The commands, one file a group: their arguments, the call of the library, what is printed."""
