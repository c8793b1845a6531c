"""Folders of CSV files as banks: an adapter of donkies' port `Aggregator` in a package of its own."""
