"""Proof against the real other side: products that Kore speaks to, installed and run as they are."""
