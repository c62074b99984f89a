from django.urls import re_path

from relais.search import views

urlpatterns = [re_path(r"^search/?$", views.search, name="search")]
