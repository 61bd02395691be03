# The Python version that the tests use. For repeatable builds, pin the image by its digest:
# --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE requirements.lock requirements-runtime.lock requirements-traces.lock ./
COPY script/install script/reachable.py script/uv.txt script/
COPY src src
# --build-arg EXTRA=traces adds the packages for traces.
ARG EXTRA=
RUN sh script/install /opt/hsp-otp ${EXTRA:+"$EXTRA"}

FROM ${PYTHON_IMAGE}
# Owners of mounted files and cluster policies refer to this number.
RUN groupadd --gid 10001 hsp-otp \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/hsp-otp \
        --shell /usr/sbin/nologin hsp-otp \
    && install -d -m 700 -o 10001 -g 10001 /var/lib/hsp-otp
COPY --from=build /opt/hsp-otp /opt/hsp-otp
# The service writes only a SQLite database, if used, in the working folder.
ENV PATH=/opt/hsp-otp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HSP_OTP_HOST=0.0.0.0
WORKDIR /var/lib/hsp-otp
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import http.client, os; asked = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('HSP_OTP_PORT') or 8000), timeout=3); asked.request('GET', '/healthz'); raise SystemExit(asked.getresponse().status != 200)"]
ENTRYPOINT ["hsp-otp"]
CMD ["serve"]
