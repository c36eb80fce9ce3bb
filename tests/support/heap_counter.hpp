// How a test counts what a program allocates, copies and passes through system calls.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <string>

// The counting itself is a library, the CMake target multifd_heap_counter (heap_counter.cpp), that
// is loaded in front of a program that knows nothing of it:
//
//     LD_PRELOAD=$<TARGET_FILE:multifd_heap_counter> MULTIFD_COUNTERS_FILE=path program ...
//
// At exit (return from main, exit(), _exit()) the totals of the process stand in `path`, one line
// "NAME VALUE" per counter. "%p" in the path becomes the process id: use it for a program that
// starts others, which inherit both variables. A forked child starts again from zero, and writes
// only when the path has "%p". A process that is killed writes nothing.
//
// With MULTIFD_COUNTERS_SIGNAL=NUMBER in the environment that signal writes the totals up to now,
// as often as it comes; "snapshots" counts the writes, so a reader knows a new file from an old
// one. The file is replaced by rename(): a reader sees a whole one or none.
//
//     malloc_calls calloc_calls realloc_calls
//     aligned_calls       posix_memalign, aligned_alloc, memalign, valloc, pvalloc
//     scalable_calls      scalable_malloc, _calloc, _realloc, _aligned_malloc: oneTBB uses these
//     libtbbmalloc allocation_calls    the sum of the five allocation_bytes    what was asked for
//     in them mmap_calls          mmap() by the program; those that malloc makes by itself are not
//     seen read_calls read_bytes           read, readv, pread, preadv write_calls write_bytes
//     write, writev, pwrite, pwritev receive_calls receive_bytes     recv, recvfrom, recvmsg; with
//     MSG_PEEK not counted send_calls send_bytes           send, sendto, sendmsg copy_calls
//     copy_bytes           memcpy, mempcpy and memmove of kBigCopyBytes or more snapshots
//
// Bytes are those the kernel accepted or gave; a failed call counts as a call. Not seen: copies and
// fills that the compiler wrote into the code itself, loops that are not memcpy (a device that
// generates or checks its bytes), copies inside the C library and inside the kernel, io_uring, and
// operator new of a program that brings its own. A sanitizer brings its own malloc and memcpy:
// under one the library counts little, so a test must skip there and say so (kCountsHere).

namespace multifd {

inline constexpr const char* kCountersFileVariable = "MULTIFD_COUNTERS_FILE";
inline constexpr const char* kCountersSignalVariable = "MULTIFD_COUNTERS_SIGNAL";
inline constexpr std::uint64_t kBigCopyBytes = 4096;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kCountsHere = false;
#else
inline constexpr bool kCountsHere = true;
#endif

using Counters = std::map<std::string, std::uint64_t>;

/// The totals in `path`; empty when there is no such file.
inline Counters read_counters(const std::string& path) {
    Counters counters;
    std::ifstream file(path);
    std::string name;
    std::uint64_t value = 0;
    while (file >> name >> value) counters[name] = value;
    return counters;
}

}  // namespace multifd
