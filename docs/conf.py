"""Settings of the documentation site, which `make docs` builds without a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `generated`

from behrt.version import VERSION

project = "BEHRT as a workflow"
copyright = "The BEHRT workflow authors"
version = release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"{project} {VERSION}"
html_copy_source = False
html_show_sphinx = False

# A dead link, a missing anchor and a name without a target are warnings, and warnings are errors.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]  # types of signatures; most are of other packages

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4

toc_object_entries = False
default_role = "literal"  # one backtick marks code in docstrings, as in Markdown
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "no-value": True,
    "exclude-members": "model_config",  # of pydantic
}
autodoc_typehints = "signature"
autodoc_mock_imports = ["lightgbm", "lightning_fabric", "torch"]  # they take seconds to import
napoleon_numpy_docstring = False
napoleon_use_rtype = False
