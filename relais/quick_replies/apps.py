from django.apps import AppConfig


class QuickRepliesConfig(AppConfig):
    name = "relais.quick_replies"
    default_auto_field = "django.db.models.BigAutoField"
