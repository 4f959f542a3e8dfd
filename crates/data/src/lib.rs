//! Image and vector sources, and the prepared dataset that training and analysis read.
