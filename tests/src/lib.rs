//! Whole-system tests and the quick start.
