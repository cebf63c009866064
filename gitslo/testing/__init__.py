"""Shipped fakes, and the contract suites that the real adapters pass as well."""
