//! The composable steps: planning without side effects, then ordered execution.
