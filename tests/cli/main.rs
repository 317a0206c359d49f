//! The command line: help and failures, byte for byte.
