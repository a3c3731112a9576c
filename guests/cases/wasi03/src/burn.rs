//! Uses up what a call is given: CPU, memory, handles, time.

use std::hint::black_box;
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Response};

/// Computes for ever.
pub fn forever() -> ! {
    let mut x = 1u64;
    loop {
        x = black_box(x.wrapping_mul(3));
    }
}

/// Takes memory until there is none.
pub fn memory() -> ! {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1u8; 1024 * 1024]);
        black_box(&taken);
    }
}

/// Makes resources for ever and gives none back.
pub fn handles() -> ! {
    loop {
        std::mem::forget(Fields::new());
    }
}

/// Waits for what does not come.
pub async fn never() -> Result<Response, ErrorCode> {
    wait_for(u64::MAX / 2).await;
    Err(ErrorCode::ConnectionTimeout)
}
