//! The one training loop, its resume state, and transfer of layers between runs.
