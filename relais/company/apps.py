from django.apps import AppConfig


class CompanyConfig(AppConfig):
    name = "relais.company"
    default_auto_field = "django.db.models.BigAutoField"
