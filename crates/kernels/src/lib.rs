//! Differentiable CPU operations for candle with explicit gradients and thread-independent bits.
