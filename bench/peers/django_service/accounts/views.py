import logging
from django.utils import timezone
from rest_framework import status
from rest_framework.decorators import api_view, permission_classes, throttle_classes
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from accounts.models import PassPurchase
from accounts.services.otp_service import OTPService

logger = logging.getLogger(__name__)


class CustomTokenObtainPairSerializer(TokenObtainPairSerializer):
    @classmethod
    def get_token(cls, user):
        token = super().get_token(user)
        token["email"] = user.email
        return token


def get_client_ip(request):
    import ipaddress

    x_forwarded_for = request.META.get("HTTP_X_FORWARDED_FOR")
    if x_forwarded_for:
        for ip in x_forwarded_for.split(","):
            ip = ip.strip()
            try:
                ipaddress.ip_address(ip)
                return ip
            except ValueError:
                continue
    remote_addr = request.META.get("REMOTE_ADDR")
    if remote_addr:
        try:
            ipaddress.ip_address(remote_addr)
            return remote_addr
        except ValueError:
            pass
    return None


class OTPRateThrottle(AnonRateThrottle):
    rate = "5/hour"


@api_view(["POST"])
@permission_classes([AllowAny])
def customer_validate_pass(request):
    pass_code = request.data.get("pass_code", "").strip().upper()
    if not pass_code:
        return Response(
            {"valid": False, "error": "pass_code_required", "message": "Pass code is required"},
            status=status.HTTP_400_BAD_REQUEST,
        )
    import re

    if not re.match(r"^HSP-\d{4}-\d{4}$", pass_code):
        return Response(
            {"valid": False, "error": "invalid_format", "message": "Invalid pass code format"},
            status=status.HTTP_400_BAD_REQUEST,
        )
    try:
        pass_purchase = PassPurchase.objects.select_related("user").get(pass_code=pass_code)
    except PassPurchase.DoesNotExist:
        logger.info(f"Pass code not found: {pass_code}")
        return Response(
            {"valid": False, "error": "pass_not_found", "message": "Pass code not found"},
            status=status.HTTP_200_OK,
        )
    if pass_purchase.payment_status != "paid":
        logger.info(f"Pass code not paid: {pass_code}")
        return Response(
            {
                "valid": False,
                "error": "pass_not_paid",
                "message": "This pass has not been activated yet. Please complete your purchase first.",
            },
            status=status.HTTP_200_OK,
        )
    user = pass_purchase.user
    if not user.phone_number:
        logger.warning(f"User {user.email} has no phone number for pass {pass_code}")
        return Response(
            {
                "valid": False,
                "error": "no_phone",
                "message": "No phone number on file. Please contact support.",
            },
            status=status.HTTP_400_BAD_REQUEST,
        )
    phone_masked = OTPService.mask_phone(user.phone_number)
    logger.info(f"Pass code validated: {pass_code} for user {user.email}")
    return Response({"valid": True, "phone_masked": phone_masked}, status=status.HTTP_200_OK)


@api_view(["POST"])
@permission_classes([AllowAny])
@throttle_classes([OTPRateThrottle])
def customer_send_otp(request):
    pass_code = request.data.get("pass_code", "").strip().upper()
    if not pass_code:
        return Response(
            {"sent": False, "error": "pass_code_required", "message": "Pass code is required"},
            status=status.HTTP_400_BAD_REQUEST,
        )
    try:
        pass_purchase = PassPurchase.objects.select_related("user").get(
            pass_code=pass_code, payment_status="paid"
        )
    except PassPurchase.DoesNotExist:
        return Response(
            {"sent": False, "error": "invalid_pass", "message": "Invalid or inactive pass code"},
            status=status.HTTP_400_BAD_REQUEST,
        )
    user = pass_purchase.user
    ip_address = get_client_ip(request)
    result = OTPService.create_and_send_otp(
        user, purpose="phone_verification", ip_address=ip_address
    )
    if result.get("success"):
        return Response(
            {
                "sent": True,
                "phone_masked": result.get("phone_masked"),
                "expires_in": result.get("expires_in", 600),
            },
            status=status.HTTP_200_OK,
        )
    return Response(
        {"sent": False, "error": result.get("error"), "message": result.get("message")},
        status=status.HTTP_400_BAD_REQUEST,
    )


@api_view(["POST"])
@permission_classes([AllowAny])
def customer_verify_otp(request):
    pass_code = request.data.get("pass_code", "").strip().upper()
    otp_code = request.data.get("otp", "").strip()
    if not pass_code or not otp_code:
        return Response(
            {
                "success": False,
                "error": "missing_fields",
                "message": "Pass code and OTP are required",
            },
            status=status.HTTP_400_BAD_REQUEST,
        )
    try:
        pass_purchase = PassPurchase.objects.select_related("user", "plan").get(
            pass_code=pass_code, payment_status="paid"
        )
    except PassPurchase.DoesNotExist:
        return Response(
            {"success": False, "error": "invalid_pass", "message": "Invalid or inactive pass code"},
            status=status.HTTP_400_BAD_REQUEST,
        )
    user = pass_purchase.user
    result = OTPService.verify_otp(user, otp_code, purpose="phone_verification")
    if not result.get("success"):
        return Response(
            {
                "success": False,
                "error": result.get("error"),
                "message": result.get("message"),
                "attempts_remaining": result.get("attempts_remaining"),
            },
            status=status.HTTP_400_BAD_REQUEST,
        )
    user.is_verified = True
    user.save()
    refresh = CustomTokenObtainPairSerializer.get_token(user)
    access = refresh.access_token
    is_expired = False
    days_until_expiry = None
    if pass_purchase.expires_at:
        if pass_purchase.expires_at < timezone.now():
            is_expired = True
            pass_purchase.pass_status = "expired"
            pass_purchase.save()
        else:
            days_until_expiry = (pass_purchase.expires_at - timezone.now()).days
    logger.info(f"Customer authenticated via OTP: {user.email}")
    return Response(
        {
            "success": True,
            "access_token": str(access),
            "refresh_token": str(refresh),
            "user": {
                "id": str(user.id),
                "email": user.email,
                "first_name": user.first_name,
                "last_name": user.last_name,
                "phone_number": user.phone_number,
            },
            "pass": {
                "pass_code": pass_purchase.pass_code,
                "status": pass_purchase.pass_status,
                "plan_name": pass_purchase.plan.name,
                "expires_at": pass_purchase.expires_at.isoformat()
                if pass_purchase.expires_at
                else None,
                "days_until_expiry": days_until_expiry,
                "is_expired": is_expired,
            },
        },
        status=status.HTTP_200_OK,
    )
