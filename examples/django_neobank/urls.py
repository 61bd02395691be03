"""The addresses of the project."""

from django.urls import path

from signup import views

urlpatterns = [
    path("", views.home, name="home"),
    path("signup/", views.start, name="signup"),
    path("signup/step-2/", views.step_2, name="step-2"),
    path("signup/details/", views.details, name="details"),
]
