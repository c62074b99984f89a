from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "relais.routing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here because models can only be imported once all apps are loaded.
        from relais.accounts.models import User
        from relais.accounts.signals import user_deactivated
        from relais.live.user_presence import handles_opened_pages
        from relais.routing.agent_states import end_on_deactivation, show_own_states

        handles_opened_pages(show_own_states)
        user_deactivated.connect(end_on_deactivation, sender=User)
