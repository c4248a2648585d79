"""The tables of plumbing: jobs, notifications, deliveries."""

from __future__ import annotations
