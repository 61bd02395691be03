"""A signup whose first step is hsp-otp's: step 2 takes the proof that step 1 ends with."""

from http import HTTPStatus

import jwt
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from signup.forms import DetailsForm
from signup.models import Applicant
from signup.otp_pages import forget_post, keep_post, open_page, read_post
from signup.proofs import take_proof


@require_GET
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Offer an account."""
    return render(request, "home.html")


@require_GET
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """Lead the visitor to step 1, hsp-otp's page."""
    return open_page(request, "/users/signup/")


@csrf_exempt  # hsp-otp's page posts here: `state` does what the CSRF token does elsewhere
@require_http_methods(["GET", "POST"])
@never_cache
def step_2(request: HttpRequest) -> HttpResponse:
    """Take the posted proof once, remember its number, and ask for the personal details."""
    if request.method == "POST":
        return keep_post(request)
    posted = read_post(request)
    if posted is None:  # somebody comes back to step 2, or has not begun in this browser
        return forget_post(request, _form(request, DetailsForm()))
    known = request.session.get("phone_number")
    try:
        number = take_proof(posted.get("proof", ""), posted.get("session_id", ""), known)
    except jwt.PyJWKClientConnectionError:  # the browser may load the page again
        return _refuse(request, "Try again in a moment.", HTTPStatus.SERVICE_UNAVAILABLE)
    except jwt.PyJWTError:
        refused = _refuse(request, "This confirmation has expired, or has already been used.")
        return forget_post(request, refused)
    request.session.cycle_key()
    request.session["phone_number"] = number
    return forget_post(request, redirect("step-2"))


@require_POST
@never_cache
def details(request: HttpRequest) -> HttpResponse:
    """Store the personal details with the proved number."""
    form = DetailsForm(request.POST)
    if "phone_number" not in request.session or not form.is_valid():
        return _form(request, form, HTTPStatus.BAD_REQUEST)
    number = request.session["phone_number"]
    Applicant.objects.update_or_create(phone_number=number, defaults=form.cleaned_data)
    return render(request, "step_3.html")


def _form(request: HttpRequest, form: DetailsForm, status: int = HTTPStatus.OK) -> HttpResponse:
    number = request.session.get("phone_number")
    if number is None:
        return _refuse(request, "Confirm your phone number first, in this browser.")
    return render(request, "step_2.html", {"form": form, "number": number}, status=status)


def _refuse(
    request: HttpRequest, message: str, status: int = HTTPStatus.BAD_REQUEST
) -> HttpResponse:
    return render(request, "refused.html", {"message": message}, status=status)
