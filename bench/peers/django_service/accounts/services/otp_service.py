"""Seed A's OTPService, kept as the seed has it (only the texts shortened nowhere; DEBUG branch left out of the hot path)."""

import logging
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from accounts.models import OTPRequestLog, OTPVerification, User
from accounts.services.twilio_service import TwilioSMSService

logger = logging.getLogger(__name__)


class OTPService:
    PHONE_RATE_LIMIT = 10
    PHONE_RATE_WINDOW = 86400

    @staticmethod
    def _get_phone_cache_key(phone_number):
        return f"otp_phone_rate_{phone_number}"

    @staticmethod
    def check_phone_rate_limit(phone_number):
        current_count = cache.get(OTPService._get_phone_cache_key(phone_number), 0)
        if current_count >= OTPService.PHONE_RATE_LIMIT:
            logger.warning(
                f"Phone rate limit exceeded for {OTPService.mask_phone(phone_number)}: {current_count}/{OTPService.PHONE_RATE_LIMIT} requests"
            )
            return {
                "success": False,
                "error": "phone_rate_limited",
                "message": "Too many OTP requests sent to this phone number. Please try again later.",
                "retry_after_seconds": OTPService.PHONE_RATE_WINDOW,
            }
        return None

    @staticmethod
    def increment_phone_counter(phone_number):
        cache_key = OTPService._get_phone_cache_key(phone_number)
        try:
            new_count = cache.incr(cache_key)
        except ValueError:
            if cache.add(cache_key, 1, timeout=OTPService.PHONE_RATE_WINDOW):
                new_count = 1
            else:
                new_count = cache.incr(cache_key)
        cache.touch(cache_key, timeout=OTPService.PHONE_RATE_WINDOW)
        logger.info(
            f"Phone OTP counter incremented for {OTPService.mask_phone(phone_number)}: {new_count}/{OTPService.PHONE_RATE_LIMIT}"
        )
        return new_count

    @staticmethod
    def log_otp_request(phone_number, purpose, status, ip_address=None):
        try:
            OTPRequestLog.objects.create(
                phone_number=phone_number, purpose=purpose, status=status, ip_address=ip_address
            )
            logger.info(
                f"OTP request logged: {OTPService.mask_phone(phone_number)} | purpose={purpose} | status={status}"
            )
        except Exception as e:
            logger.error(f"Failed to log OTP request: {str(e)}")

    @staticmethod
    def create_and_send_otp(user, purpose="phone_verification", ip_address=None):
        if not user.phone_number:
            logger.warning(f"Cannot send OTP to {user.email}: no phone number")
            return {
                "success": False,
                "error": "no_phone_number",
                "message": "No phone number on file",
            }
        rate_limit_error = OTPService.check_phone_rate_limit(user.phone_number)
        if rate_limit_error:
            OTPService.log_otp_request(user.phone_number, purpose, "rate_limited", ip_address)
            return rate_limit_error
        OTPService.increment_phone_counter(user.phone_number)
        OTPVerification.objects.filter(user=user, purpose=purpose, is_used=False).update(
            is_used=True
        )
        otp = OTPVerification.objects.create(user=user, purpose=purpose)
        message = (
            f"Your House Service Pass verification code is: {otp.otp_code}. Expires in 10 minutes."
        )
        if settings.DEBUG:
            sms_sent = True
        else:
            sms_sent = TwilioSMSService.send_sms(user.phone_number, message)
        if not sms_sent:
            logger.error(f"Failed to send OTP SMS to {user.phone_number}")
            otp.is_used = True
            otp.save()
            OTPService.log_otp_request(user.phone_number, purpose, "failed", ip_address)
            return {
                "success": False,
                "error": "sms_failed",
                "message": "Failed to send verification code",
            }
        logger.info(f"OTP sent to {user.email} ({OTPService.mask_phone(user.phone_number)})")
        OTPService.log_otp_request(user.phone_number, purpose, "success", ip_address)
        return {
            "success": True,
            "phone_masked": OTPService.mask_phone(user.phone_number),
            "expires_in": 600,
        }

    @staticmethod
    def verify_otp(user, otp_code, purpose="phone_verification"):
        try:
            otp = (
                OTPVerification.objects.filter(
                    user=user, purpose=purpose, is_used=False, expires_at__gt=timezone.now()
                )
                .order_by("-created_at")
                .first()
            )
        except OTPVerification.DoesNotExist:
            otp = None
        if not otp:
            logger.warning(f"No valid OTP found for {user.email}")
            return {
                "success": False,
                "error": "otp_expired",
                "message": "Verification code expired or not found. Please request a new code.",
            }
        if otp.attempts >= otp.max_attempts:
            logger.warning(f"Max OTP attempts reached for {user.email}")
            otp.is_used = True
            otp.save()
            return {
                "success": False,
                "error": "too_many_attempts",
                "message": "Too many attempts. Please request a new code.",
            }
        if otp.verify(otp_code):
            logger.info(f"OTP verified successfully for {user.email}")
            return {"success": True, "message": "Verification successful"}
        remaining_attempts = otp.max_attempts - otp.attempts
        logger.warning(f"Invalid OTP for {user.email}. {remaining_attempts} attempts remaining.")
        return {
            "success": False,
            "error": "invalid_otp",
            "message": f"Invalid code. {remaining_attempts} attempts remaining.",
            "attempts_remaining": remaining_attempts,
        }

    @staticmethod
    def mask_phone(phone_number):
        if not phone_number or len(phone_number) < 4:
            return "***-***-****"
        return f"***-***-{phone_number[-4:]}"
