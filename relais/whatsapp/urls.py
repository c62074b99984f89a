from django.urls import path

from relais.whatsapp import views

urlpatterns = [
    path("media/<int:pk>", views.show_media, name="media"),
    path("media/<int:pk>/again", views.retry_media, name="media_again"),
]
