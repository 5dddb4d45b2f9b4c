# safepoint serve, as an unprivileged user, on a read-only root file system if you like:
#   docker run -i --rm -v safepoint-store:/data/store -v safepoint-key:/data/key safepoint
# Store and key lie in volumes of their own, so that neither is copied with the other. On a bucket
# and over HTTP, environment variables alone tell it all: see examples/compose.

FROM python:3.13-slim AS build
WORKDIR /src
COPY constraints.txt ./
RUN python -m pip install --no-cache-dir -c constraints.txt build hatchling
COPY pyproject.toml README.md LICENSE ./
COPY server server
COPY storage storage
RUN python -m build --wheel --no-isolation --outdir /wheels
RUN python -m venv --without-pip /opt/safepoint \
    && python -m pip --python /opt/safepoint/bin/python install --no-cache-dir \
       -c constraints.txt /wheels/*.whl

FROM python:3.13-slim
RUN useradd --uid 10001 --home-dir /data/home --no-create-home --shell /usr/sbin/nologin safepoint \
    && install -d -o safepoint -g safepoint -m 0700 /data /data/store /data/key /data/home
COPY --from=build /opt/safepoint /opt/safepoint
# The key file that is made where no key is given lies below /data/key; none is set, so that a
# passphrase or a KMS key can be. The health check asks nobody as long as the transport is stdio.
# Two arenas of malloc: with one for each thread, what threads have freed is kept many times over.
ENV PATH=/opt/safepoint/bin:$PATH \
    HOME=/data/home \
    MALLOC_ARENA_MAX=2 \
    XDG_CONFIG_HOME=/data/key \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SAFEPOINT_STORE=file:///data/store \
    SAFEPOINT_TRANSPORT=stdio
VOLUME ["/data/store", "/data/key", "/data/home"]
USER 10001:10001
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=20s --start-period=30s CMD ["safepoint", "health"]
ENTRYPOINT ["safepoint"]
CMD ["serve"]
