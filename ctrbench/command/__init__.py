"""The command line: verbs, help, listings and experiments."""
