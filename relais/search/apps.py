from django.apps import AppConfig


class SearchConfig(AppConfig):
    name = "relais.search"
    default_auto_field = "django.db.models.BigAutoField"
