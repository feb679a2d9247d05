"""The command `reelscan`. Modules here import httpx and the rest of the SDK when a command runs: `--help` is quick."""
