"""One module or package for each thing outside: what the domain's ports are bound to."""
