from django.urls import path, re_path

from relais.whatsapp import views

urlpatterns = [
    path("media/<int:pk>", views.show_media, name="media"),
    path("media/<int:pk>/thumbnail", views.show_thumbnail, name="media_thumbnail"),
    path("pictures/<int:pk>", views.show_picture, name="picture"),
    path("media/<int:pk>/again", views.retry_media, name="media_again"),
    re_path(r"^templates/sync/?$", views.sync_templates, name="sync_templates"),
]
