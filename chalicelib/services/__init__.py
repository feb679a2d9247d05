"""Use cases: functions, ports first, values in, value out; no HTTP, no JSON, no AWS."""
