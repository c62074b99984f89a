"""Migrations name modules and classes as they were called when they were written, and are never rewritten.

This table maps those old names to the classes of today.
"""

import sys
from types import ModuleType

import relais.conversations
from relais.conversations import lifecycle
from relais.conversations.delivery_states import DeliveryTransitions
from relais.conversations.lifecycle import LifecycleMixin
from relais.conversations.outbound import SendMixin
from relais.conversations.retryable_index import AddIndexConcurrentlyRetryable

RENAMED_CLASSES = {
    "fate": {"Fate": DeliveryTransitions},
    "saying": {"Saying": SendMixin},
    "index_anew": {"AddIndexAnew": AddIndexConcurrentlyRetryable},
}

# Migration 0001 names a class of a module that still exists.
vars(lifecycle)["Lifecycle"] = LifecycleMixin

for old_name, classes in RENAMED_CLASSES.items():
    module = ModuleType(f"relais.conversations.{old_name}")
    vars(module).update(classes)
    sys.modules[module.__name__] = module
    setattr(relais.conversations, old_name, module)
