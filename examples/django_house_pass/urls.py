"""The addresses of the project."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.start_login, name="login"),
    path("login/return/", views.login_return, name="login-return"),
    path("payments/", views.payment, name="payment"),
    path("api/my-passes/", views.MyPasses.as_view(), name="my-passes"),
]
