"""The HTTP API: routes by area, request and answer models; no rules of its own."""
