"""The routes that Twilio's clients call, over the same journeys as the verification API."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import attrs
import structlog
from litestar import Response, delete, get, post
from litestar.params import FromPath

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.apps import APP, App, AppNotFound
from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import WrongCode
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import MalformedSidError, id_of_sid
from hsp_otp.domain.verification_record import VERIFICATION, Status
from hsp_otp.domain.verification_request import Flaw, Given, MalformedKeyError, Unacceptable
from hsp_otp.entrypoints.http.api_keys import backend_of, idempotency_key_of, key_of
from hsp_otp.entrypoints.http.problems import REPLAYED, Problem
from hsp_otp.entrypoints.http.requests import MAX_BODY_BYTES, AnyRequest, services_of
from hsp_otp.entrypoints.http.twilio_verify.bodies import (
    SERVICES,
    CheckResource,
    ServiceResource,
    ServicesResource,
    VerificationResource,
)
from hsp_otp.entrypoints.http.twilio_verify.description import (
    CHECK,
    CHECK_EXAMPLE,
    SERVICE_EXAMPLE,
    SERVICES_EXAMPLE,
    START,
    VERIFICATION_EXAMPLE,
    described,
)
from hsp_otp.entrypoints.http.twilio_verify.forms import credentials_of, form_of
from hsp_otp.entrypoints.http.twilio_verify.parameters import (
    HONOURED,
    IGNORED,
    PresentedForm,
    given_by_form,
    named_by_form,
    presented_by_form,
)
from hsp_otp.entrypoints.http.twilio_verify.problems import (
    APPROVAL,
    CHECK_FAULTS,
    FETCH_FAULTS,
    NO_MAIL,
    NO_STATUS,
    SERVICE_FAULTS,
    SERVICES_ARE_FIXED,
    START_FAULTS,
    UPDATE_FAULTS,
    Fault,
    answer,
    fault_of,
    of_app,
    of_check,
    of_key,
    of_start,
    of_status,
)
from hsp_otp.entrypoints.http.verification.problems import INVALID_IDEMPOTENCY_KEY
from hsp_otp.flows.app_requests import Backend
from hsp_otp.flows.verification_outcomes import (
    Canceled,
    MalformedCode,
    NotFound,
    Over,
    Sent,
    Success,
    View,
)

_ONE: Final = f"{SERVICES}/{{service_sid:str}}"
_VERIFICATIONS: Final = f"{_ONE}/Verifications"
_VERIFICATION: Final = f"{_VERIFICATIONS}/{{sid:str}}"
_CHECK: Final = f"{_ONE}/VerificationCheck"

_EMAIL: Final = "email"

_NOBODYS: Final = ""
"""The id of no verification."""

_ADMITTED: Final = "admitted"

_log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class _Admitted:
    """
    A request that its API key allows.

    Attributes:
        backend: It acts for the app of the path alone, if the path names one.
    """

    backend: Backend
    idempotency_key: str | None = attrs.field(repr=False)
    form: dict[str, str] = attrs.field(repr=False)

    @property
    def app(self) -> App:
        """The app of the path."""
        (app,) = self.backend.apps.values()
        return app


def _admits(scope: Scope) -> Callable[[AnyRequest], Awaitable[Response[Any] | None]]:
    """Create what judges the API key, the service and the idempotency key, and then the form."""

    async def admit(request: AnyRequest) -> Response[Any] | None:
        key = await key_of(request, scope, credentials_of(request))
        if isinstance(key, Problem):
            return answer(request, of_key(key))
        backend = _for_service(await backend_of(request, key), request.path_params)
        if isinstance(backend, AppNotFound):
            return answer(request, of_app(backend))
        try:
            idempotency_key = idempotency_key_of(request)
        except MalformedKeyError:
            return answer(request, fault_of(INVALID_IDEMPOTENCY_KEY))
        request.scope["state"][_ADMITTED] = _Admitted(
            backend=backend,
            idempotency_key=idempotency_key,
            form=await form_of(request) if request.method == "POST" else {},
        )
        return None

    return admit


def _for_service(backend: Backend, path: Mapping[str, str]) -> Backend | AppNotFound:
    """Return *backend* as one that acts for no other app than that of the *path*."""
    sid = path.get("service_sid")
    if sid is None:
        return backend
    try:
        app = backend.apps.get(id_of_sid(sid, APP))
    except MalformedSidError:
        app = None
    return AppNotFound() if app is None else attrs.evolve(backend, apps={app.id: app})


def _admitted(request: AnyRequest) -> _Admitted:
    return cast("_Admitted", request.scope["state"][_ADMITTED])


@post(
    _VERIFICATIONS,
    operation_id="twilioCreateVerification",
    before_request=_admits(Scope.START),
    request_max_body_size=MAX_BODY_BYTES,
    **described(
        *START_FAULTS,
        success=VERIFICATION_EXAMPLE,
        form=START,
        required=("To", "Channel"),
        optional=HONOURED,
    ),
)
async def create_verification(request: AnyRequest) -> Response[VerificationResource]:
    """Send a code to a contact: the live one again, or a new one."""
    admitted, services = _admitted(request), services_of(request)
    given = given_by_form(admitted.form, services.messages.languages)
    if isinstance(given, Fault):
        return answer(request, given)
    app = named_by_form(admitted.form, admitted.app)
    if isinstance(app, Fault):
        return answer(request, app)
    _tell_of_ignored(request)
    outcome = await services.journeys.verification_sends.start(
        app, given, admitted.backend, admitted.idempotency_key
    )
    match outcome:
        case Sent():
            body = await _body(request, outcome.view)
            return Response(body, status_code=201, headers=_replayed(yes=outcome.replayed))
        case Unacceptable(Flaw.CHANNEL) if _lacks_mailer(request, given):
            return answer(request, NO_MAIL)
        case _:
            return answer(request, of_start(outcome))


def _lacks_mailer(request: AnyRequest, given: Given) -> bool:
    """Return whether a code was to go to an e-mail address, which no sender reaches."""
    wants_mail = "@" in (given.to or "") and given.channel in {None, _EMAIL}
    sent_by: set[str] = {one.value for one in services_of(request).senders}
    return wants_mail and _EMAIL not in sent_by


def _tell_of_ignored(request: AnyRequest) -> None:
    """Log, once an hour for each app, which parameters have no effect."""
    admitted = _admitted(request)
    app = admitted.app
    ignored = [name for name in IGNORED if name in admitted.form]
    is_time_to: Callable[[str, Instant], bool] = request.scope["state"]["is_time_to"]
    if ignored and is_time_to(f"parameters_ignored {app.id}", services_of(request).clock.now()):
        _log.warning("parameters_ignored", app=app.name, parameters=ignored)


@post(
    _CHECK,
    status_code=200,
    operation_id="twilioCheckVerification",
    before_request=_admits(Scope.CHECK),
    request_max_body_size=MAX_BODY_BYTES,
    **described(
        *CHECK_FAULTS,
        success=CHECK_EXAMPLE,
        form=CHECK,
        required=("Code",),
        optional=("To", "VerificationSid", "Amount", "Payee"),
    ),
)
async def check_verification(request: AnyRequest) -> Response[CheckResource]:
    """Judge a code that somebody typed; a right one is right once."""
    admitted, journey = _admitted(request), services_of(request).journeys.verification
    presented = presented_by_form(admitted.form)
    if isinstance(presented, Fault):
        return answer(request, presented)
    verification_id = await _to_check(request, presented)
    if isinstance(verification_id, NotFound):
        return answer(request, of_check(verification_id))
    outcome = await journey.check(
        verification_id,
        presented.code,
        admitted.backend,
        client_of_start=True,
        to=presented.to,
        bound_elsewhere=presented.is_bound,
        idempotency_key=admitted.idempotency_key,
    )
    match outcome:
        case Success():
            body = CheckResource.approved(admitted.app, outcome)
            return Response(body, headers=_replayed(yes=outcome.replayed))
        case WrongCode() | MalformedCode():
            request.scope["state"]["outcome"] = outcome.word  # for the log: it is no error here
            # Nothing was judged of a code without the right number of digits.
            live = isinstance(outcome, MalformedCode)
            lookups = services_of(request).journeys.verification_lookups
            view = await lookups.look(verification_id, admitted.backend, live=live)
            if isinstance(view, View):
                return Response(CheckResource.pending(admitted.app, view))
            return answer(request, of_check(view))
        case _:
            return answer(request, of_check(outcome))


async def _to_check(request: AnyRequest, presented: PresentedForm) -> str | NotFound:
    """Return the id of the verification that a code is for."""
    admitted, lookups = _admitted(request), services_of(request).journeys.verification_lookups
    if presented.sid is not None:
        return _id_of(presented.sid)
    if presented.to is None or presented.is_bound:  # no purpose has transactions yet
        return _NOBODYS
    return await lookups.latest(presented.to, admitted.app, admitted.backend, Action.CHECK)


@get(
    _VERIFICATION,
    operation_id="twilioFetchVerification",
    before_request=_admits(Scope.READ),
    **described(*FETCH_FAULTS, success=VERIFICATION_EXAMPLE),
)
async def get_verification(
    request: AnyRequest, sid: FromPath[str]
) -> Response[VerificationResource]:
    """Return what has become of a verification, or the live one of a contact; charges nothing."""
    admitted = _admitted(request)
    verification_id = await _named(request, sid, Action.READ)
    if not isinstance(verification_id, str):
        return answer(request, of_status(verification_id))
    outcome = await services_of(request).journeys.verification.get(
        verification_id, admitted.backend
    )
    if isinstance(outcome, NotFound):
        return answer(request, of_status(outcome))
    return Response(
        VerificationResource.of(admitted.app, outcome.view, outcome.sends, _base_url(request))
    )


@post(
    _VERIFICATION,
    status_code=200,
    operation_id="twilioUpdateVerification",
    before_request=_admits(Scope.START),
    request_max_body_size=MAX_BODY_BYTES,
    **described(
        *UPDATE_FAULTS,
        success=VERIFICATION_EXAMPLE | {"status": "canceled"},
        form={"Status": "canceled"},
        required=("Status",),
    ),
)
async def update_verification(
    request: AnyRequest, sid: FromPath[str]
) -> Response[VerificationResource]:
    """End a verification, so that its code is right no more; repeating it changes nothing."""
    admitted = _admitted(request)
    status = admitted.form.get("Status")
    if status == Status.APPROVED.value:
        return answer(request, APPROVAL)
    if status != Status.CANCELED.value:
        return answer(request, NO_STATUS)
    verification_id = await _named(request, sid, Action.CANCEL)
    if not isinstance(verification_id, str):
        return answer(request, of_status(verification_id))
    outcome = await services_of(request).journeys.verification.cancel(
        verification_id, admitted.backend
    )
    if isinstance(outcome, Canceled):
        return Response(await _body(request, outcome.view))
    return answer(request, of_status(outcome))


@get(
    SERVICES,
    operation_id="twilioListServices",
    before_request=_admits(Scope.READ),
    **described(fault_of(INVALID_IDEMPOTENCY_KEY), success=SERVICES_EXAMPLE),
)
async def list_services(request: AnyRequest) -> Response[ServicesResource]:
    """List the apps that the key acts for."""
    apps = _admitted(request).backend.apps.values()
    services = [_service(request, app) for app in apps]
    return Response(ServicesResource.of(services, _base_url(request)))


@get(
    _ONE,
    operation_id="twilioFetchService",
    before_request=_admits(Scope.READ),
    **described(*SERVICE_FAULTS, success=SERVICE_EXAMPLE),
)
async def get_service(request: AnyRequest) -> Response[ServiceResource]:
    """Return an app."""
    return Response(_service(request, _admitted(request).app))


@post(
    [SERVICES, _ONE],
    include_in_schema=False,
    before_request=_admits(Scope.READ),
    request_max_body_size=MAX_BODY_BYTES,
)
async def change_services(request: AnyRequest) -> Response[Any]:
    """Refuse to make or change an app: operators import them."""
    return answer(request, SERVICES_ARE_FIXED)


@delete(_ONE, status_code=200, include_in_schema=False, before_request=_admits(Scope.READ))
async def delete_service(request: AnyRequest) -> Response[Any]:
    """Refuse to delete an app."""
    return answer(request, SERVICES_ARE_FIXED)


async def _named(request: AnyRequest, sid: str, action: Action) -> str | NotFound | Over:
    """Return the id of the verification in a path: its own, or a contact's whose one is live."""
    try:
        return id_of_sid(sid, VERIFICATION)
    except MalformedSidError:
        pass
    admitted, lookups = _admitted(request), services_of(request).journeys.verification_lookups
    return await lookups.live(sid, admitted.app, admitted.backend, action)


def _id_of(sid: str) -> str:
    try:
        return id_of_sid(sid, VERIFICATION)
    except MalformedSidError:
        return _NOBODYS


async def _body(request: AnyRequest, view: View) -> VerificationResource:
    lookups = services_of(request).journeys.verification_lookups
    sends = await lookups.sends_of(view.verification)
    return VerificationResource.of(_admitted(request).app, view, sends, _base_url(request))


def _service(request: AnyRequest, app: App) -> ServiceResource:
    digits = services_of(request).journeys.verification_lookups.digits(app)
    return ServiceResource.of(app, digits, _base_url(request))


def _base_url(request: AnyRequest) -> str:
    return services_of(request).settings.public_url or str(request.base_url).rstrip("/")


def _replayed(*, yes: bool) -> dict[str, str]:
    return {REPLAYED: "true"} if yes else {}


ROUTES: Final[tuple[Any, ...]] = (
    create_verification,
    check_verification,
    get_verification,
    update_verification,
    list_services,
    get_service,
    change_services,
    delete_service,
)
"""Of the resources that Twilio's clients use."""
