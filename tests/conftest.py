"""The suite's fixtures live in `donkies.testing`, so that others can use them too."""

pytest_plugins = ["donkies.testing.plugin", "donkies.testing.sandbox"]
