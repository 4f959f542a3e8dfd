//! Rules on training after transfer, paired by seed.

mod auc_gain;
mod gain_difference;
mod gain_share;
mod gain_trend;
mod held_out_gain;
mod speed_up;

pub use auc_gain::AucGain;
pub use gain_difference::GainDifference;
pub use gain_share::GainShare;
pub use gain_trend::GainTrend;
pub use held_out_gain::HeldOutGain;
pub use speed_up::SpeedUp;
