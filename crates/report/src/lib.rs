//! From tables to verdicts, figures and the page that shows them.
