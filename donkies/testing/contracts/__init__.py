"""What every adapter of a port does, a class per port: subclass it as `Test…` and give it its fixture."""
