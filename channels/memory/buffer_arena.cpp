#include "channels/memory/buffer_arena.hpp"

#include <sys/mman.h>

#include <limits>
#include <new>

#include "channels/memory/memory_policy.hpp"
#include "channels/memory/populate.hpp"
#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

constexpr std::size_t kHugePageBytes = 2 * limits::kMiB;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

}  // namespace

BufferArena::BufferArena(std::size_t buffer_bytes, std::size_t count, Populate when)
    : buffer_bytes_(buffer_bytes), count_(count) {
    MULTIFD_ASSERT(buffer_bytes >= 1 && count >= 1);
    constexpr std::size_t kBytesMax = std::numeric_limits<std::size_t>::max() / 2;
    if (buffer_bytes > kBytesMax) throw std::bad_alloc();
    stride_bytes_ = round_up(buffer_bytes, limits::kPageBytes);
    if (count > kBytesMax / stride_bytes_) throw std::bad_alloc();
    const std::size_t bytes = stride_bytes_ * count;
    // A huge page must start at a multiple of its size; mmap promises a page only.
    const std::size_t slack = bytes >= kHugePageBytes ? kHugePageBytes : 0;
    mapping_bytes_ = bytes + slack;
    void* const mapping =
        ::mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    mapping_ = static_cast<std::byte*>(mapping);
    const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
    first_ = slack == 0 ? mapping_ : mapping_ + (round_up(address, kHugePageBytes) - address);
    keep_preferred_node({mapping_, mapping_bytes_});
    // Both are wishes: without huge pages or without population everything works, only slower.
    if (slack != 0) static_cast<void>(::madvise(first_, bytes, MADV_HUGEPAGE));
    if (when == Populate::yes) populate({first_, bytes});
}

BufferArena::~BufferArena() {
    ::munmap(mapping_, mapping_bytes_);
}

std::span<std::byte> BufferArena::at(std::size_t index) const {
    MULTIFD_ASSERT(index < count_);
    return {first_ + index * stride_bytes_, buffer_bytes_};
}

}  // namespace multifd
