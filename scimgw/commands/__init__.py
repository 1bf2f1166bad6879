"""One module per group of commands; each only asks, calls and prints."""
