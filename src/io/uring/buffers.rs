//! Receive buffers that the kernel takes from a ring when bytes come, and not before: idle
//! sockets own none.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::base::SLACK_BYTES;

/// The buffers and the ring in which they are given to the kernel.
///
/// The kernel writes to this memory while receives are outstanding, so it must outlive them.
pub(super) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

impl Buffers {
    /// Makes the buffers and gives all of them to the kernel.
    pub(super) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let entries = allocate(entries_layout()).cast();
        let memory = allocate(memory_layout());
        let mut buffers = Self { entries, memory, tail: 0 };
        // SAFETY: the ring is page-aligned, has BUFFERS entries, and lives until the driver's
        // last operation has ended.
        unsafe {
            submitter.register_buf_ring_with_flags(
                entries.as_ptr() as u64,
                BUFFERS,
                BUFFER_GROUP,
                0,
            )?;
        }
        for id in 0..BUFFERS {
            buffers.give(id);
        }
        Ok(buffers)
    }

    /// The memory of buffer `id`, of which the kernel filled the first `len` bytes, and the slack.
    ///
    /// # Safety
    ///
    /// A completion handed `id` over, and it was not given back since.
    pub(super) unsafe fn taken(&mut self, id: u16, len: usize) -> &mut [u8] {
        assert!(id < BUFFERS && len <= BUFFER_BYTES, "the kernel fills what it was given");
        // SAFETY: the place lies within `memory` by the assertion, it was zeroed at the start,
        // and the caller promises that the kernel does not write to it now.
        unsafe {
            let start = self.memory.add(usize::from(id) * STRIDE_BYTES);
            std::slice::from_raw_parts_mut(start.as_ptr(), len + SLACK_BYTES)
        }
    }

    /// Gives buffer `id` to the kernel (again). The kernel is told of the buffer only; the slack
    /// behind it is ours.
    pub(super) fn give(&mut self, id: u16) {
        assert!(id < BUFFERS, "the kernel gives back what it was given");
        // SAFETY: both places lie within their allocation, by the assertion and the mask. Only
        // this thread writes entries, and the kernel reads none beyond the tail. The tail shares
        // its place with a field of the first entry that no setter here touches.
        unsafe {
            let entry = self.entries.add(usize::from(self.tail & (BUFFERS - 1)));
            let start = self.memory.add(usize::from(id) * STRIDE_BYTES);
            let entry = &mut *entry.as_ptr();
            entry.set_addr(start.as_ptr() as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: both were allocated with these layouts, and whoever drops this has seen the
        // last operation end.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), entries_layout());
            dealloc(self.memory.as_ptr(), memory_layout());
        }
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: neither layout is empty.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

fn entries_layout() -> Layout {
    let bytes = usize::from(BUFFERS) * size_of::<BufRingEntry>();
    Layout::from_size_align(bytes, PAGE_BYTES).expect("a page is a power of two")
}

fn memory_layout() -> Layout {
    let bytes = usize::from(BUFFERS) * STRIDE_BYTES;
    Layout::from_size_align(bytes, PAGE_BYTES).expect("a page is a power of two")
}

/// The name of our only group of buffers.
pub(super) const BUFFER_GROUP: u16 = 0;
/// Together 1 MiB, whatever the number of connections: what does not fit waits in the sockets.
pub(super) const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 4096;
const STRIDE_BYTES: usize = BUFFER_BYTES + SLACK_BYTES;
/// The kernel wants the ring at the beginning of a page; more alignment than that does no harm.
const PAGE_BYTES: usize = 64 * 1024;
const _: () = assert!(BUFFERS.is_power_of_two());
