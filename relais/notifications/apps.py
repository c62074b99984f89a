from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "relais.notifications"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here because models can only be imported once all apps are loaded.
        from relais.notifications import event_handlers  # noqa: F401 (registers the handlers)
