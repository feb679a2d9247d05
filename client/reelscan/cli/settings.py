"""Which service, and with which token: from the environment, `reelscan login`, or a local stack in this folder."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

LOCAL_JSON = Path("out/local.json")
"""Where `make local` writes its address and token."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service is."""

    base_url: str
    token: str
    viewer_url: str | None = None
    origin: str = ""
    """Where this was found, for people."""


def read_settings() -> Settings:
    """The environment goes before what was written by `login`, and that before a local stack in this folder.

    Raises:
        ReelscanError: none of them says which service.
    """
    url, token = os.environ.get("REELSCAN_URL", ""), os.environ.get("REELSCAN_TOKEN", "")
    if url and token:
        return Settings(url, token, None, "REELSCAN_URL and REELSCAN_TOKEN")
    for path in (config_path(), LOCAL_JSON):
        if (stored := read_file(path)) is not None:
            if url or token:
                return Settings(url or stored.base_url, token or stored.token, None, f"the environment and {path}")
            return stored
    from reelscan.errors import ReelscanError

    raise ReelscanError(
        "no service is known: there is no configuration, no REELSCAN_URL with REELSCAN_TOKEN, and no out/local.json",
        "Run `reelscan login`, or start a local stack (make local) and stay in its folder",
    )


def read_file(path: Path) -> Settings | None:
    """What a configuration or a local stack's file says; None when there is none."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Settings(stored["base_url"], stored["token"], stored.get("viewer_url"), str(path))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_settings(settings: Settings) -> Path:
    """Keep them for the next time, readable by this user alone."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    # The file is closed to others before the token is in it.
    unfinished.touch(mode=0o600)
    stored = {name: value for name, value in asdict(settings).items() if name != "origin"}
    unfinished.write_text(json.dumps(stored, indent=1), encoding="utf-8")
    unfinished.replace(path)
    return path


def config_path() -> Path:
    """Source: XDG Base Directory Specification, `$XDG_CONFIG_HOME`; on Windows the roaming application data."""
    if sys.platform == "win32":
        home = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "reelscan" / "config.json"
