#!/bin/sh
# Installs the last Home Assistant that runs on Python 3.11 into an environment of its own (400 MB, some minutes, once) and
# has it find a device and a simulated robot over a real broker. VENV says where ours is; arguments are pytest's.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
home=${HOME_ASSISTANT:-$venv-home-assistant}
if ! [ -x "$home/bin/hass" ]; then
    "${PYTHON:-$venv/bin/python}" -m venv "$home"
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check \
        homeassistant==2024.3.3 home-assistant-frontend==20240307.0 paho-mqtt==1.6.1 "josepy<2" hassil==1.6.1 \
        home-assistant-intents==2024.3.29 pillow ha-av==10.1.1 PyTurboJPEG==1.7.1 janus psutil-home-assistant SQLAlchemy \
        fnv-hash-fast mutagen hass-nabucasa aiohttp-fast-url-dispatcher numpy==1.26.0
fi
ENIGMA_HASS="$(cd "$home/bin" && pwd)/hass" exec "$venv/bin/python" -m pytest tests/edge_runtime/presence/test_real_home_assistant.py "$@"
