"""What makes the documentation: `python -m docs.tools.reference`."""
