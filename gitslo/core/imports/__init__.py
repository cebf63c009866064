"""Files of other tools -> a plan, with what could not be carried over and what was wrong in them.

Called by `gitslo import`. Pure: names and bytes of files in, text out. One module per format; what they share is
`reading` (cells that know their place), `draft` (the plan in the making), `measures` and `shapes` (PromQL), `loads`.
"""

from gitslo.core.imports.formats import FORMATS, import_files
from gitslo.core.imports.result import Imported, Note, Options, Place, Rule, SourceNeed

__all__ = ["FORMATS", "Imported", "Note", "Options", "Place", "Rule", "SourceNeed", "import_files"]
