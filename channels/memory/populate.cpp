#include "channels/memory/populate.hpp"

#include <sys/mman.h>

#include <cstdint>

#include "channels/wire/limits.hpp"

namespace multifd {

void populate(std::span<std::byte> memory) noexcept {
#ifdef MADV_POPULATE_WRITE
    if (memory.empty()) return;
    // The call takes whole pages; what surrounds the span in its first and last is mapped with it.
    const std::size_t before = reinterpret_cast<std::uintptr_t>(memory.data()) % limits::kPageBytes;
    static_cast<void>(
        ::madvise(memory.data() - before, memory.size() + before, MADV_POPULATE_WRITE));
#else
    static_cast<void>(memory);
#endif
}

}  // namespace multifd
