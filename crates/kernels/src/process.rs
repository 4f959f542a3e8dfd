//! Settings of a training process: its allocator and its threads.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr,
};

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

use crate::buffer;

/// Bytes of a cache line, and of blocks that begin at one.
const LINE: usize = buffer::LINE * size_of::<f32>();
const LARGE: usize = if cfg!(miri) { 1 << 10 } else { 1 << 16 };

/// The system's allocator with large blocks aligned to cache lines, since a vector across two lines takes twice as long. Use as
/// `#[global_allocator]` in training programs: about 2 % faster. The system's own aligned allocation leaves gaps in the heap, which
/// costs as much.
pub struct LineAligned;

/// The layout to request from the system for a large block: room to start at a cache line, after a byte that holds the number of
/// bytes skipped. None for other blocks, which are left to the system.
fn widened(layout: Layout) -> Option<Layout> {
    if layout.size() < LARGE || layout.align() >= LINE {
        return None;
    }
    Layout::from_size_align(layout.size().checked_add(LINE)?, layout.align()).ok()
}

/// The place in a new widened block, which may be none, where the block begins that was asked for.
///
/// # Safety
/// The block is widened, or null.
#[expect(unsafe_code, reason = "an allocator")]
#[expect(clippy::cast_possible_truncation, reason = "at most a line is skipped")]
unsafe fn aligned(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    // From one byte to a whole line.
    let skipped = LINE - block.addr() % LINE;
    // SAFETY: there is a line more than was asked for.
    unsafe {
        let at = block.add(skipped);
        at.sub(1).write(skipped as u8);
        at
    }
}

#[expect(unsafe_code, reason = "an allocator")]
// SAFETY: blocks are the system's, or lie inside of one of these, whose beginning is found again by the byte in front. The layout,
// which is the same for each call that concerns a block, tells which of the two it is.
unsafe impl GlobalAlloc for LineAligned {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, for no smaller size.
        match widened(layout) {
            Some(layout) => unsafe { aligned(System.alloc(layout)) },
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        match widened(layout) {
            Some(layout) => unsafe { aligned(System.alloc_zeroed(layout)) },
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from here with this layout, and begins where `aligned` said.
        unsafe {
            match widened(layout) {
                Some(layout) => {
                    let skipped = block.sub(1).read();
                    System.dealloc(block.sub(skipped.into()), layout);
                }
                None => System.dealloc(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises; the new block is another one and as large as what is copied.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            if widened(layout).is_none() && widened(new).is_none() {
                return System.realloc(block, layout, size);
            }
            let to = self.alloc(new);
            if !to.is_null() {
                ptr::copy_nonoverlapping(block, to, layout.size().min(size));
                self.dealloc(block, layout);
            }
            to
        }
    }
}

/// Prepares a process for training; call it once, before threads are started.
///
/// The calling thread joins the thread pool. Otherwise it would wake another thread for every operation and sleep
/// until that is done, which takes up to a third of a step of a small net.
///
/// Freed memory stays in the process, see `keep_heap`.
///
/// # Errors
/// When the pool was started before, or the system cannot start threads.
pub fn prepare_process() -> Result<(), ThreadPoolBuildError> {
    keep_heap();
    ThreadPoolBuilder::new().use_current_thread().build_global()
}

/// Keeps freed memory in the process, in one heap for all threads, backed by huge pages. Training allocates the same large
/// buffers at every step; by default glibc returns them to the system and gets them back page by page, which costs about a third
/// of a step of a small net. TLB misses on the small pages of a large matrix cost a few percent more. Does nothing on other
/// systems.
fn keep_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MOST: libc::c_int = 1 << 30;
        const NEVER: libc::c_int = -1;
        #[expect(unsafe_code, reason = "no safe interface to mallopt")]
        // SAFETY: mallopt takes two numbers, reads no memory of ours and is called before threads are started; a value
        // it rejects leaves the setting unchanged.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MOST);
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER);
            // Heaps of other threads hold no block of more than 64 MiB.
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
        large_pages();
    }
}

/// Advises huge pages for the memory that the heap hands out next. Pages are allocated when they are written.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn large_pages() {
    /// Smaller than the mmap threshold; as many blocks as a step of a large net needs.
    const BLOCK: usize = 1 << 29;
    const BLOCKS: usize = 8;
    const PAGE: usize = 1 << 21;
    #[expect(unsafe_code, reason = "no safe interface to the allocator")]
    // SAFETY: the advice is for whole pages inside a block that is ours until it is freed, and does not change their contents;
    // if the system ignores it, or has no such block, nothing changes.
    unsafe {
        let blocks = [(); BLOCKS].map(|()| libc::malloc(BLOCK));
        for block in blocks.into_iter().filter(|block| !block.is_null()) {
            let skipped = block.align_offset(PAGE);
            libc::madvise(block.wrapping_byte_add(skipped), BLOCK - PAGE, libc::MADV_HUGEPAGE);
        }
        // Only now: a block freed earlier would be handed out again.
        for block in blocks {
            libc::free(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "an allocator")]
    fn large_blocks_begin_at_a_line_and_keep_what_is_in_them() {
        let heap = LineAligned;
        let layout = |size| Layout::from_size_align(size, 4).unwrap();
        // Some of the sizes with others in between, for blocks to lie at different places.
        for size in [1, 100, LARGE - 1, LARGE, LARGE + 1, LARGE + 48, 3 * LARGE + 16] {
            // SAFETY: each block is used within its size, and freed once with the layout it has.
            unsafe {
                let other = heap.alloc(layout(size % 1000 + 1));
                let mut block = heap.alloc_zeroed(layout(size));
                assert!((0..size).all(|k| *block.add(k) == 0));
                let mut old = size;
                for new in [size + 1, 2 * LARGE, 40, LARGE, size] {
                    block.write_bytes(7, old);
                    block = heap.realloc(block, layout(old), new);
                    assert!((0..old.min(new)).all(|k| *block.add(k) == 7), "{old} {new}");
                    assert!(new < LARGE || block.addr() % LINE == 0, "{new}");
                    old = new;
                }
                heap.dealloc(block, layout(old));
                heap.dealloc(other, layout(size % 1000 + 1));
            }
        }
    }

    #[test]
    fn only_large_blocks_that_may_begin_at_a_line_are_widened() {
        let widened = |size, align| widened(Layout::from_size_align(size, align).unwrap());
        assert_eq!(widened(LARGE, 4).map(|l| (l.size(), l.align())), Some((LARGE + LINE, 4)));
        assert_eq!(widened(LARGE - 1, 4), None);
        assert_eq!(widened(LARGE, LINE), None);
    }
}
