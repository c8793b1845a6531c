"""Rules and ports. Imports the standard library only."""
