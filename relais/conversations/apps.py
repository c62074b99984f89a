from typing import Any

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "relais.conversations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here because models can only be imported once all apps are loaded.
        from django.db.models.signals import pre_delete

        from relais.accounts.models import User
        from relais.accounts.signals import user_deactivated
        from relais.conversations import event_handlers  # noqa: F401 (registers the handlers)

        user_deactivated.connect(_release, sender=User)
        pre_delete.connect(_release_before_deletion, sender=User)


def _release(sender: object, *, user: Any, by: Any, at: Any, **kwargs: Any) -> None:
    """A user who is deactivated releases what he held, in the same transaction."""
    # Models can only be imported once all apps are loaded.
    from relais.conversations.events import SYSTEM, Author
    from relais.conversations.lifecycle import release_all

    release_all(user, at=at, by=Author.from_user(by) if by else SYSTEM)


def _release_before_deletion(sender: object, *, instance: Any, **kwargs: Any) -> None:
    from django.utils import timezone

    _release(sender, user=instance, by=None, at=timezone.now())
