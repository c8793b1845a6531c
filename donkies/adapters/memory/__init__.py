"""In-memory twins of the stores: shipped for tests and examples, refused in production."""
