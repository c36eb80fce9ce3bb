// Totals of the counting library, and the report of them: inside multifd_heap_counter only.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace multifd {

/// One total each, in the order of the report; those before allocation_bytes sum up to
/// allocation_calls.
enum Counter : std::size_t {
    malloc_calls,
    calloc_calls,
    realloc_calls,
    aligned_calls,
    scalable_calls,
    allocation_bytes,
    mmap_calls,
    read_calls,
    read_bytes,
    write_calls,
    write_bytes,
    receive_calls,
    receive_bytes,
    send_calls,
    send_bytes,
    copy_calls,
    copy_bytes,
    snapshots,
    counter_count,
};

/// Any thread, any time, from the first instruction of the process on; allocates nothing.
void add(Counter counter, std::uint64_t amount);
void count_allocation(Counter calls, std::size_t bytes);
/// Counts one transfer and passes its result on.
ssize_t count_transfer(Counter calls, Counter bytes, long result);

/// Reads the environment; from then on write_report() writes.
void start_reporting();
/// Async-signal-safe; leaves errno as it was.
void write_report();

}  // namespace multifd
