//! A setting of the C library's allocator.

/// Keeps freed memory in the process. Training allocates the same large buffers at every step; by default glibc returns
/// them to the system and gets them back page by page, which costs about a third of the time of a small net's step.
/// Does nothing on other systems.
pub fn keep_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MOST: libc::c_int = 1 << 30;
        #[expect(unsafe_code, reason = "no safe interface to mallopt")]
        // SAFETY: mallopt takes two numbers, reads no memory of ours and is called before threads are started; a value
        // it does not accept leaves the setting as it was.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MOST);
            libc::mallopt(libc::M_TRIM_THRESHOLD, MOST);
        }
    }
}
