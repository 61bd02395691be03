"""Signing in at this site by hsp-otp's page, payments, and a protected view."""

import hashlib
import hmac
import json
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import find_user
from accounts.models import PassPurchase
from accounts.otp_pages import forget_post, keep_post, open_page, read_post
from accounts.otp_service import UnavailableError, call


@require_GET
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Show who is signed in."""
    return render(request, "home.html")


@require_GET
@never_cache
def start_login(request: HttpRequest) -> HttpResponse:
    """Lead the customer to hsp-otp's page."""
    return open_page(request, "/customer/login/")


@csrf_exempt  # hsp-otp's page posts here: `state` does what the CSRF token does elsewhere
@require_http_methods(["GET", "POST"])
@never_cache
def login_return(request: HttpRequest) -> HttpResponse:
    """Exchange the posted code, and sign in whoever entered the code of the text message."""
    if request.method == "POST":
        return keep_post(request)
    posted = read_post(request)
    if posted is None and request.user.is_authenticated:  # the form was sent twice
        return forget_post(request, redirect("home"))
    if posted is None:
        message = "This sign-in has expired, or began in another browser."
        return forget_post(request, _refuse(request, message))
    return forget_post(request, _sign_in(request, posted.get("code", "")))


def _sign_in(request: HttpRequest, code: str) -> HttpResponse:
    try:
        status, answer = call("POST", "/token/exchange/", {"code": code})
    except UnavailableError:
        status, answer = HTTPStatus.SERVICE_UNAVAILABLE, {}
    if status == HTTPStatus.BAD_REQUEST:
        return _refuse(request, "This sign-in has expired, or has already been used.")
    if status != HTTPStatus.OK:
        return _refuse(request, "We cannot sign you in now.", HTTPStatus.SERVICE_UNAVAILABLE)
    user = find_user(answer["user"]["id"])
    if user is None:
        return _refuse(request, "There is no account for this pass.", HTTPStatus.FORBIDDEN)
    login(request, user)
    return redirect("home")


def _refuse(
    request: HttpRequest, message: str, status: int = HTTPStatus.BAD_REQUEST
) -> HttpResponse:
    return render(request, "refused.html", {"message": message}, status=status)


@csrf_exempt  # signed by the payment provider
@require_POST
def payment(request: HttpRequest) -> HttpResponse:
    """Take the payment provider's report that a pass is paid."""
    made = hmac.new(settings.PAYMENT_SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made.encode(), request.headers.get("X-Signature", "").encode()):
        return JsonResponse({"error": "bad_signature"}, status=HTTPStatus.FORBIDDEN)
    reported = json.loads(request.body)
    purchase = get_object_or_404(PassPurchase, pass_code=reported["pass_code"])
    purchase.payment_status = PassPurchase.Payment.PAID
    purchase.save(update_fields=["payment_status"])  # the signal in `passes` does the rest
    return JsonResponse({"payment_status": purchase.payment_status})


class MyPasses(APIView):
    """The passes of the user of the access token."""

    def get(self, request: Request) -> Response:
        """List them."""
        mine = PassPurchase.objects.filter(user=request.user.pk).order_by("pass_code")
        return Response({"user": str(request.user.pk), "passes": [one.pass_code for one in mine]})
