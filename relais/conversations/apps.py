from typing import Any

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "relais.conversations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import pre_delete

        from relais.accounts.models import User
        from relais.accounts.signals import user_deactivated

        user_deactivated.connect(_release, sender=User)
        pre_delete.connect(_release_before_deletion, sender=User)


def _release(sender: object, *, user: Any, by: Any, at: Any, **more: Any) -> None:
    """Who leaves gives back what he held, in the same transaction."""
    from relais.conversations.events import SYSTEM, Author
    from relais.conversations.lifecycle import release_all

    release_all(user, at=at, by=Author.of(by) if by else SYSTEM)


def _release_before_deletion(sender: object, *, instance: Any, **more: Any) -> None:
    from django.utils import timezone

    _release(sender, user=instance, by=None, at=timezone.now())
