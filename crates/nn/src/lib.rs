//! Networks as candle modules, their seeded initialisation, optimisers and schedules.
