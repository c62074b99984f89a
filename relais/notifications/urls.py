"""URLs of the room. Those of the installable site are at the root, since a service worker's scope is its folder."""

from django.urls import path

from relais.notifications import views

site_urlpatterns = [
    path("manifest.webmanifest", views.manifest, name="manifest"),
    path("sw.js", views.service_worker, name="service_worker"),
    path("offline", views.offline, name="offline"),
]
