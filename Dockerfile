# The app for a server, with or without a GPU. TORCH_INDEX: where pip may also look for torch; with the address of
# PyTorch's CPU builds the image is several gigabytes smaller and uses no GPU.
FROM python:3.12-slim
ARG TORCH_INDEX=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 FASTV_HOST=0.0.0.0 FASTV_PORT=7860
RUN useradd --create-home --uid 1000 app
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt
COPY LICENSE app.py ./
COPY assets assets
COPY presets presets
COPY fastv fastv
# The user below may not write beside the sources, and they would be compiled at every start.
RUN python -m compileall -q app.py fastv
USER app
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=300s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
CMD ["python", "app.py"]
