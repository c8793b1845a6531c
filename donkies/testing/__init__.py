"""The kit for suites that test against donkies: fixtures, factories, doubles, contracts (docs/reference/testing.md)."""
