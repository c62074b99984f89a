from django.apps import AppConfig


class WatchConfig(AppConfig):
    name = "relais.ops.watch"
    label = "watch"
