from django.urls import path
from accounts import views

urlpatterns = [
    path("customer/validate-pass/", views.customer_validate_pass),
    path("customer/send-otp/", views.customer_send_otp),
    path("customer/verify-otp/", views.customer_verify_otp),
]
