//! gateway_view
