// The library behind heap_counter.hpp: stands in front of the C library's allocating, copying and
// transferring functions, counts, and passes on. It allocates nothing itself, and asks the kernel
// directly, so that what it does is not counted.
#include "tests/support/heap_counter.hpp"

// Else the compiler sees memcpy in the loops of memcpy, and calls it.
#pragma GCC optimize("no-tree-loop-distribute-patterns")

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/support/heap_counter_totals.hpp"

static_assert(sizeof(long) == 8, "offsets are passed to the kernel in one register");

// glibc's own allocator under names that nobody stands in front of; no look-up, so usable at once.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* old, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace {

using namespace multifd;  // the counters, in a file that is full of them

// Functions that must be looked up.

using Copy = void* (*)(void*, const void*, std::size_t);
using LookUp = void* (*)(void*, const char*);
std::atomic<Copy> next_memcpy;  // empty until start(): copies until then go byte by byte
std::atomic<Copy> next_memmove;
std::atomic<LookUp> next_dlsym;

LookUp find_dlsym() {
    LookUp found = next_dlsym.load();
    if (found != nullptr) return found;
    // The version of the symbol differs by glibc's age and by machine.
    for (const char* version : {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"}) {
        void* symbol = ::dlvsym(RTLD_NEXT, "dlsym", version);
        if (symbol != nullptr) {
            found = std::bit_cast<LookUp>(symbol);
            next_dlsym.store(found);
            return found;
        }
    }
    std::abort();  // a test's own process, and it cannot count
}

__attribute__((constructor)) void start() {
    const LookUp look_up = find_dlsym();
    next_memcpy.store(std::bit_cast<Copy>(look_up(RTLD_NEXT, "memcpy")));
    next_memmove.store(std::bit_cast<Copy>(look_up(RTLD_NEXT, "memmove")));
    start_reporting();
}

__attribute__((destructor)) void finish() {
    write_report();
}

// libtbbmalloc: oneTBB looks these up by name when it starts, so the look-up is where they are met.

using ScalableMalloc = void* (*)(std::size_t);
using ScalableAligned = void* (*)(std::size_t, std::size_t);
using ScalableRealloc = void* (*)(void*, std::size_t);
std::atomic<ScalableMalloc> next_scalable_malloc;
std::atomic<ScalableAligned> next_scalable_calloc;
std::atomic<ScalableAligned> next_scalable_aligned_malloc;
std::atomic<ScalableRealloc> next_scalable_realloc;

/// What a function pointer holds, or when the program was linked to libtbbmalloc the next
/// definition.
template <class Function>
Function resolved(std::atomic<Function>& pointer, const char* name) {
    Function found = pointer.load();
    if (found == nullptr) {
        found = std::bit_cast<Function>(find_dlsym()(RTLD_NEXT, name));
        pointer.store(found);
    }
    return found;
}

}  // namespace

#define MULTIFD_COUNTED extern "C" __attribute__((visibility("default")))

// Allocation.

MULTIFD_COUNTED void* malloc(std::size_t bytes) {
    count_allocation(malloc_calls, bytes);
    return __libc_malloc(bytes);
}

MULTIFD_COUNTED void* calloc(std::size_t count, std::size_t bytes) {
    count_allocation(calloc_calls, count * bytes);
    return __libc_calloc(count, bytes);
}

MULTIFD_COUNTED void* realloc(void* old, std::size_t bytes) {
    count_allocation(realloc_calls, bytes);
    return __libc_realloc(old, bytes);
}

MULTIFD_COUNTED void* memalign(std::size_t alignment, std::size_t bytes) {
    count_allocation(aligned_calls, bytes);
    return __libc_memalign(alignment, bytes);
}

MULTIFD_COUNTED void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    count_allocation(aligned_calls, bytes);
    return __libc_memalign(alignment, bytes);
}

MULTIFD_COUNTED int posix_memalign(void** target, std::size_t alignment, std::size_t bytes) {
    if (alignment < sizeof(void*) || !std::has_single_bit(alignment)) return EINVAL;
    count_allocation(aligned_calls, bytes);
    void* memory = __libc_memalign(alignment, bytes);
    if (memory == nullptr) return ENOMEM;
    *target = memory;
    return 0;
}

MULTIFD_COUNTED void* valloc(std::size_t bytes) {
    count_allocation(aligned_calls, bytes);
    return __libc_memalign(4096, bytes);
}

MULTIFD_COUNTED void* pvalloc(std::size_t bytes) {
    count_allocation(aligned_calls, bytes);
    return __libc_memalign(4096, (bytes + 4095) / 4096 * 4096);
}

MULTIFD_COUNTED void* mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                           off_t offset) {
    add(mmap_calls, 1);
    const long result = ::syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
    return std::bit_cast<void*>(result);
}

MULTIFD_COUNTED void* mmap64(void* address, std::size_t bytes, int protection, int flags, int file,
                             off_t offset) {
    return mmap(address, bytes, protection, flags, file, offset);
}

MULTIFD_COUNTED void* scalable_malloc(std::size_t bytes) {
    count_allocation(scalable_calls, bytes);
    return resolved(next_scalable_malloc, "scalable_malloc")(bytes);
}

MULTIFD_COUNTED void* scalable_calloc(std::size_t count, std::size_t bytes) {
    count_allocation(scalable_calls, count * bytes);
    return resolved(next_scalable_calloc, "scalable_calloc")(count, bytes);
}

MULTIFD_COUNTED void* scalable_aligned_malloc(std::size_t bytes, std::size_t alignment) {
    count_allocation(scalable_calls, bytes);
    return resolved(next_scalable_aligned_malloc, "scalable_aligned_malloc")(bytes, alignment);
}

MULTIFD_COUNTED void* scalable_realloc(void* old, std::size_t bytes) {
    count_allocation(scalable_calls, bytes);
    return resolved(next_scalable_realloc, "scalable_realloc")(old, bytes);
}

/// Hands out the counting twin of an allocating function of libtbbmalloc. The last call must stay a
/// tail call: RTLD_NEXT is resolved by the caller's address.
MULTIFD_COUNTED void* dlsym(void* __restrict handle, const char* __restrict name) {
    const LookUp look_up = find_dlsym();
    const std::string_view wanted(name);
    if (wanted.starts_with("scalable_")) {
        void* found = look_up(handle, name);
        if (found == nullptr) return nullptr;
        if (wanted == "scalable_malloc") {
            next_scalable_malloc.store(std::bit_cast<ScalableMalloc>(found));
            return std::bit_cast<void*>(&scalable_malloc);
        }
        if (wanted == "scalable_calloc") {
            next_scalable_calloc.store(std::bit_cast<ScalableAligned>(found));
            return std::bit_cast<void*>(&scalable_calloc);
        }
        if (wanted == "scalable_aligned_malloc") {
            next_scalable_aligned_malloc.store(std::bit_cast<ScalableAligned>(found));
            return std::bit_cast<void*>(&scalable_aligned_malloc);
        }
        if (wanted == "scalable_realloc") {
            next_scalable_realloc.store(std::bit_cast<ScalableRealloc>(found));
            return std::bit_cast<void*>(&scalable_realloc);
        }
        return found;
    }
    return look_up(handle, name);
}

// Transfers.

MULTIFD_COUNTED ssize_t read(int file, void* target, std::size_t bytes) {
    return count_transfer(read_calls, read_bytes, ::syscall(SYS_read, file, target, bytes));
}

MULTIFD_COUNTED ssize_t readv(int file, const iovec* parts, int count) {
    return count_transfer(read_calls, read_bytes, ::syscall(SYS_readv, file, parts, count));
}

MULTIFD_COUNTED ssize_t pread(int file, void* target, std::size_t bytes, off_t offset) {
    return count_transfer(read_calls, read_bytes,
                          ::syscall(SYS_pread64, file, target, bytes, offset));
}

MULTIFD_COUNTED ssize_t pread64(int file, void* target, std::size_t bytes, off_t offset) {
    return pread(file, target, bytes, offset);
}

MULTIFD_COUNTED ssize_t preadv(int file, const iovec* parts, int count, off_t offset) {
    return count_transfer(read_calls, read_bytes,
                          ::syscall(SYS_preadv, file, parts, count, offset, 0));
}

MULTIFD_COUNTED ssize_t write(int file, const void* source, std::size_t bytes) {
    return count_transfer(write_calls, write_bytes, ::syscall(SYS_write, file, source, bytes));
}

MULTIFD_COUNTED ssize_t writev(int file, const iovec* parts, int count) {
    return count_transfer(write_calls, write_bytes, ::syscall(SYS_writev, file, parts, count));
}

MULTIFD_COUNTED ssize_t pwrite(int file, const void* source, std::size_t bytes, off_t offset) {
    return count_transfer(write_calls, write_bytes,
                          ::syscall(SYS_pwrite64, file, source, bytes, offset));
}

MULTIFD_COUNTED ssize_t pwrite64(int file, const void* source, std::size_t bytes, off_t offset) {
    return pwrite(file, source, bytes, offset);
}

MULTIFD_COUNTED ssize_t pwritev(int file, const iovec* parts, int count, off_t offset) {
    return count_transfer(write_calls, write_bytes,
                          ::syscall(SYS_pwritev, file, parts, count, offset, 0));
}

MULTIFD_COUNTED ssize_t recvfrom(int socket, void* target, std::size_t bytes, int flags,
                                 sockaddr* peer, socklen_t* peer_bytes) {
    const long result = ::syscall(SYS_recvfrom, socket, target, bytes, flags, peer, peer_bytes);
    if ((flags & MSG_PEEK) != 0) return result;
    return count_transfer(receive_calls, receive_bytes, result);
}

MULTIFD_COUNTED ssize_t recv(int socket, void* target, std::size_t bytes, int flags) {
    return recvfrom(socket, target, bytes, flags, nullptr, nullptr);
}

MULTIFD_COUNTED ssize_t recvmsg(int socket, msghdr* message, int flags) {
    const long result = ::syscall(SYS_recvmsg, socket, message, flags);
    if ((flags & MSG_PEEK) != 0) return result;
    return count_transfer(receive_calls, receive_bytes, result);
}

MULTIFD_COUNTED ssize_t sendto(int socket, const void* source, std::size_t bytes, int flags,
                               const sockaddr* peer, socklen_t peer_bytes) {
    return count_transfer(send_calls, send_bytes,
                          ::syscall(SYS_sendto, socket, source, bytes, flags, peer, peer_bytes));
}

MULTIFD_COUNTED ssize_t send(int socket, const void* source, std::size_t bytes, int flags) {
    return sendto(socket, source, bytes, flags, nullptr, 0);
}

MULTIFD_COUNTED ssize_t sendmsg(int socket, const msghdr* message, int flags) {
    return count_transfer(send_calls, send_bytes, ::syscall(SYS_sendmsg, socket, message, flags));
}

// Copies.

MULTIFD_COUNTED void* memcpy(void* __restrict target, const void* __restrict source,
                             std::size_t bytes) {
    if (bytes >= kBigCopyBytes) {
        add(copy_calls, 1);
        add(copy_bytes, bytes);
    }
    const Copy next = next_memcpy.load(std::memory_order_relaxed);
    if (next != nullptr) return next(target, source, bytes);
    auto* to = static_cast<unsigned char*>(target);
    const auto* from = static_cast<const unsigned char*>(source);
    for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
    return target;
}

MULTIFD_COUNTED void* mempcpy(void* __restrict target, const void* __restrict source,
                              std::size_t bytes) {
    return static_cast<unsigned char*>(memcpy(target, source, bytes)) + bytes;
}

MULTIFD_COUNTED void* memmove(void* target, const void* source, std::size_t bytes) {
    if (bytes >= kBigCopyBytes) {
        add(copy_calls, 1);
        add(copy_bytes, bytes);
    }
    const Copy next = next_memmove.load(std::memory_order_relaxed);
    if (next != nullptr) return next(target, source, bytes);
    auto* to = static_cast<unsigned char*>(target);
    const auto* from = static_cast<const unsigned char*>(source);
    if (std::bit_cast<std::uintptr_t>(to) <= std::bit_cast<std::uintptr_t>(from)) {
        for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
    } else {
        for (std::size_t i = bytes; i-- > 0;) to[i] = from[i];
    }
    return target;
}

// Exits that run no destructor.

MULTIFD_COUNTED __attribute__((noreturn)) void _exit(int status) {
    write_report();
    ::syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

MULTIFD_COUNTED __attribute__((noreturn)) void _Exit(int status) noexcept {
    _exit(status);
}
