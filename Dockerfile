# The image of one service: docker build --build-arg SERVICE=orders .
# ./dev images builds them all, with the version and the ports of each.
ARG PYTHON_IMAGE=python:3.13.16-slim-bookworm@sha256:a1165e272e578941b84abc79e4ab38a0305cd12803a5c4247979ac7655f4d641
ARG UV_IMAGE=ghcr.io/astral-sh/uv:0.13.0@sha256:cdc6093146eb3ff6a40107b38f008b789e050e77ad87865e381d9917da55a168

FROM ${UV_IMAGE} AS uv

# What uv must know of every member, so that an edit of one service leaves the others' layers alone.
FROM ${PYTHON_IMAGE} AS members
WORKDIR /members
COPY pyproject.toml uv.lock ./
COPY libs libs
COPY services services
RUN find . -mindepth 2 -type f ! -name pyproject.toml -delete && find . -type d -empty -delete

FROM ${PYTHON_IMAGE} AS tools
# Debian keeps one version, and its security fixes are wanted; nothing of this stage is shipped.
# hadolint ignore=DL3008,DL3009
RUN apt-get update -qq && apt-get install -qq --no-install-recommends binutils tini >/dev/null

# A third of what wheels bring is debug symbols. Without Rich, help is plain and 13 MB smaller.
FROM tools AS dependencies
ARG SERVICE
ARG WITHOUT="--no-install-package rich --no-install-package pygments"
ENV TYPER_USE_RICH=0 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_DEV=1 \
    UV_PROJECT_ENVIRONMENT=/app \
    UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /source
COPY --from=members /members ./
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/root/.cache/uv \
    : "${SERVICE:?which one? --build-arg SERVICE=orders}" \
    && uv sync --locked --package "${SERVICE}" --no-install-workspace ${WITHOUT} \
    && find /app -name '*.so*' -exec strip --strip-unneeded {} + \
    && find /app -regex '.*/tests\|.*\.\(pyi\|pyx\|pxd\|c\|h\)' -prune -exec rm -rf {} + \
    && rm /app/.lock

# The layer of our own code is what differs from the layer of dependencies, so that it stays small.
FROM dependencies AS build
COPY libs libs
COPY services/${SERVICE} services/${SERVICE}
COPY deploy/probe.py /own/app/probe.py
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/root/.cache/uv \
    touch /began \
    && uv sync --locked --package "${SERVICE}" --no-editable ${WITHOUT} \
    && rm /app/.lock \
    && find /app -cnewer /began ! -type d -exec cp --archive --parents --target-directory=/own {} + \
    && /app/bin/python -c "from chassis_core.cli.services import create; \
print(create('${SERVICE}').settings.server.admin_port)" >/own/app/admin-port

FROM ${PYTHON_IMAGE}
RUN find /usr -regextype posix-extended \
        -regex '.*/(ensurepip|python-wheels|pip([0-9.]*|-[^/]*)|(setuptools|wheel)(-[^/]*)?)' \
        -prune -exec rm -rf {} + \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && echo 'chassis:x:10001:10001::/nonexistent:/usr/sbin/nologin' >>/etc/passwd \
    && echo 'chassis:x:10001:' >>/etc/group
COPY --from=tools /usr/bin/tini-static /usr/local/bin/tini
COPY --from=dependencies /app /app
COPY --from=build /own /

ARG SERVICE
ENV CHASSIS_SERVICE=${SERVICE} \
    CHASSIS_HOST=0.0.0.0 \
    PATH=/app/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TYPER_USE_RICH=0
WORKDIR /app
USER 10001:10001
ARG PORT=8000
ARG ADMIN_PORT=9000
EXPOSE ${PORT} ${ADMIN_PORT}
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/app/bin/python", "-IS", "/app/probe.py"]
ENTRYPOINT ["/usr/local/bin/tini", "--", "chassis"]
CMD ["serve"]

ARG VERSION=0.0.0
ARG REVISION=unknown
ARG PYTHON_IMAGE
ENV CHASSIS_VERSION=${VERSION}
LABEL org.opencontainers.image.title="${SERVICE}" \
      org.opencontainers.image.vendor="chassis" \
      org.opencontainers.image.description="The ${SERVICE} service of the chassis platform." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
