"""Servers, models, samples and scripts that tests share."""
