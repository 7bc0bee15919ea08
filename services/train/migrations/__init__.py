"""Migrations of schema `train`."""
