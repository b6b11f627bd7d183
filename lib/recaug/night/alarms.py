"""The hook of the configuration's alarms: a command, a webhook; what goes wrong with it never ends a night."""

import json
import logging
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from recaug.config import Config
from recaug.config.secrets import hide

log = logging.getLogger(__name__)


def alarm(config: Config, why: str, event: Mapping[str, Any]) -> None:
    """Tell whoever the configuration names, if it wants to be told of this: failure, hold or warning.

    event: what happened; the JSON that is sent has it and `alarm`, which is why.
    """
    wanted = config.alarms
    if why not in wanted.about:
        return
    text = json.dumps({"alarm": why, **event})
    if wanted.command:
        _bounded(config, "command", lambda: _run(wanted.command, text, wanted.timeout_seconds))
    if (address := wanted.webhook) is not None:
        _bounded(config, "webhook", lambda: _post(address, text, wanted.timeout_seconds))


def _run(command: tuple[str, ...], text: str, seconds: float) -> None:
    subprocess.run(command, input=text.encode(), timeout=seconds, check=True, capture_output=True)


def _post(address: str, text: str, seconds: float) -> None:
    given = requests.post(address, data=text.encode(), headers={"Content-Type": "application/json"}, timeout=seconds)
    given.raise_for_status()


def _bounded(config: Config, name: str, call: Callable[[], None]) -> None:
    """Call within the time; a line in the log says what went wrong."""
    faults: list[str] = []

    def attempt() -> None:
        try:
            call()
        except Exception as error:  # whatever it is, the night goes on
            faults.append(" ".join(str(error).split())[:300])

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(config.alarms.timeout_seconds + 1)
    if thread.is_alive():
        faults.append(f"no answer within {config.alarms.timeout_seconds:g} s")
    known = {*config.secrets, urlsplit(config.alarms.webhook or "").path}  # requests names the path alone
    for fault in faults:
        log.warning("alarms.%s: %s; the night goes on without it", name, hide(fault, known - {"", "/"}))
