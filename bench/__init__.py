"""Speed: prepares a database with the peers' rows, and measures this service beside its floors and the peers."""

import warnings

# Pyramid and Cornice import pkg_resources, which warns
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
