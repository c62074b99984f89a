"""URLs of the room. Those of the installable site are at the root, since a service worker's scope is its folder."""

from django.urls import path, re_path

from relais.notifications import views

DEVICE = r"^push/(?P<pk>[0-9]{1,18})"

site_urlpatterns = [
    path("manifest.webmanifest", views.manifest, name="manifest"),
    path("sw.js", views.service_worker, name="service_worker"),
    path("offline", views.offline, name="offline"),
]
urlpatterns = [
    re_path(r"^settings/notifications/?$", views.notification_settings, name="notification_settings"),
    re_path(r"^push/?$", views.push, name="push"),
    re_path(rf"{DEVICE}/remove/?$", views.remove_device, name="remove_device"),
    re_path(rf"{DEVICE}/test/?$", views.test_device, name="test_device"),
]
