//! Tests that see whole specs.
