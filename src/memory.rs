//! How the C library's allocator treats large buffers.

/// From this size on a buffer is mapped for itself and goes back to the system when it is freed.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: libc::c_int = 128 * 1024;

/// Makes memory follow use. Left alone, glibc raises its threshold with the first large buffer that is freed, and then
/// keeps such buffers in one heap a thread: a backup of 3,000 small objects took 136 MiB instead of 39. Called once,
/// before there are threads.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "there is no safe binding of mallopt, which is sound before there are threads")]
pub fn return_what_is_freed() {
    // SAFETY: mallopt takes two integers, and no other thread runs yet.
    let is_set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES) };
    debug_assert_eq!(is_set, 1, "glibc takes thresholds up to 32 MiB");
}

/// Other C libraries have no such threshold.
#[cfg(not(target_env = "gnu"))]
pub fn return_what_is_freed() {}
