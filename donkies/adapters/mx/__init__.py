"""MX over HTTP: wire format in, the port's values out."""
