"""The command line: verbs to functions, imported when called."""
