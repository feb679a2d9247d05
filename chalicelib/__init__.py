"""The service: everything that runs in Lambda. Imports point down: api, services, contracts, domain."""

VERSION = "0.1.0"
