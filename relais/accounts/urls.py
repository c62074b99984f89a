"""URLs of the users' pages, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.accounts import profile, views

USER = r"^users/(?P<pk>[0-9]{1,18})"

urlpatterns = [
    re_path(r"^profile/?$", profile.profile, name="profile"),
    re_path(rf"{USER}/photo/?$", profile.photo, name="user_photo"),
    re_path(r"^users/?$", views.users, name="users"),
    re_path(r"^users/invite/?$", views.invite, name="invite"),
    re_path(rf"{USER}/?$", views.user, name="user"),
    re_path(rf"{USER}/link/?$", views.link, name="user_link"),
    re_path(rf"{USER}/deactivate/?$", views.deactivate, name="deactivate_user"),
    re_path(rf"{USER}/reactivate/?$", views.reactivate, name="reactivate_user"),
]
