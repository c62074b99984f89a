from django.urls import path

from relais.whatsapp import views

urlpatterns = [
    path("media/<int:pk>", views.media, name="media"),
    path("media/<int:pk>/again", views.try_again, name="media_again"),
]
