"""Sphinx's settings for the documentation: `make docs`. Why Sphinx: docs/adr/0007-docs-with-sphinx.md."""

from importlib.metadata import version as version_of

project = "donkies"
release = version = version_of("donkies")
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = "donkies"
html_show_copyright = False

extensions = ["myst_parser"]
exclude_patterns = ["tools", "_build"]
# anchors of headings are those that a forge gives them, so that links hold in both
myst_heading_anchors = 3
# <img width=…> as it stands in the pages
myst_enable_extensions = ["html_image"]

html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
# what is not found is a warning, and `make docs` makes warnings errors
nitpicky = True
