"""Learners' files are read by the tests, not collected."""

collect_ignore_glob = ["right/*"]
