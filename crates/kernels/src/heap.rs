//! Settings of the C library's allocator.

/// Keeps freed memory in the process, in one heap for all threads, and has the system hand it out in large pages. Training
/// allocates the same large buffers at every step; by default glibc returns them to the system and gets them back page by page,
/// which costs about a third of the time of a small net's step. To find the many small pages of a large matrix costs a few
/// percent more.
/// Does nothing on other systems. Call it once, before threads are started.
pub fn keep_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MOST: libc::c_int = 1 << 30;
        const NEVER: libc::c_int = -1;
        #[expect(unsafe_code, reason = "no safe interface to mallopt")]
        // SAFETY: mallopt takes two numbers, reads no memory of ours and is called before threads are started; a value
        // it does not accept leaves the setting as it was.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MOST);
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER);
            // The heaps of other threads hold no block of more than 64 MiB.
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
        large_pages();
    }
}

/// Asks for large pages for what the heap will next give out. Nothing is taken yet: pages come when they are written.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn large_pages() {
    /// Below the size from which blocks do not come from the heap; as many as a step of a large net needs.
    const BLOCK: usize = 1 << 29;
    const BLOCKS: usize = 8;
    const PAGE: usize = 1 << 21;
    #[expect(unsafe_code, reason = "no safe interface to the allocator")]
    // SAFETY: the advice is for whole pages inside a block that is ours until it is freed, and does not change what is in them;
    // where the system does not take it, or has no such block, all is as before.
    unsafe {
        let blocks = [(); BLOCKS].map(|()| libc::malloc(BLOCK));
        for block in blocks.into_iter().filter(|block| !block.is_null()) {
            let skipped = block.align_offset(PAGE);
            libc::madvise(block.wrapping_byte_add(skipped), BLOCK - PAGE, libc::MADV_HUGEPAGE);
        }
        // Only now: a block that was freed before would be given out again.
        for block in blocks {
            libc::free(block);
        }
    }
}
