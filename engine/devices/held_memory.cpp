#include "engine/devices/held_memory.hpp"

#include <sys/mman.h>

#include <new>
#include <utility>

#include "channels/memory/populate.hpp"

namespace multifd {

HeldMemory::HeldMemory(std::uint64_t bytes, Populate when) {
    if (bytes == 0) return;
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    // Fewer page faults; where huge pages cannot be had nothing is lost.
    static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
    bytes_ = {static_cast<std::byte*>(memory), bytes};
    if (when == Populate::yes) populate(bytes_);
}

HeldMemory::~HeldMemory() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

HeldMemory::HeldMemory(HeldMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

HeldMemory& HeldMemory::operator=(HeldMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
}

}  // namespace multifd
