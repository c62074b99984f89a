"""Migrations name modules as they were called when they were written, and are never rewritten.

Here those names still lead somewhere: one table of the old name and the class of today.
"""

import sys
from types import ModuleType

import relais.conversations
from relais.conversations.delivery_states import Fate
from relais.conversations.outbound import Saying
from relais.conversations.retryable_index import AddIndexAnew

RENAMED_CLASSES = {
    "fate": {"Fate": Fate},
    "saying": {"Saying": Saying},
    "index_anew": {"AddIndexAnew": AddIndexAnew},
}

for old_name, classes in RENAMED_CLASSES.items():
    module = ModuleType(f"relais.conversations.{old_name}")
    vars(module).update(classes)
    sys.modules[module.__name__] = module
    setattr(relais.conversations, old_name, module)
