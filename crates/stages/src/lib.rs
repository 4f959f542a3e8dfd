//! The stage binaries and what they share: arguments, exit codes, progress, signals, logs.
