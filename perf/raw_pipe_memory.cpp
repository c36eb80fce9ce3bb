#include "perf/raw_pipe_memory.hpp"

#include <sys/mman.h>
#include <xxhash.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace raw_pipe {

std::span<std::byte> map_memory(std::size_t blocks, const Options& options) {
    const std::size_t bytes = blocks * kHashedBytes;
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(), "mmap");
    }
    if (options.huge_pages) ::madvise(memory, bytes, MADV_HUGEPAGE);
    return {static_cast<std::byte*>(memory), bytes};
}

void on_blocks(std::span<std::byte> memory, const Options& options,
               const std::function<void(std::size_t)>& work) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < options.connections; ++i) {
        threads.emplace_back([&] {
            const std::size_t blocks = memory.size() / kHashedBytes;
            for (std::size_t block = next++; block < blocks; block = next++) work(block);
        });
    }
}

// xorshift64*: no compressor and no checksum finds anything in it.
void fill(std::span<std::byte> target, std::uint64_t seed) {
    std::uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
    for (std::size_t at = 0; at < target.size(); at += sizeof state) {
        state ^= state >> 12U;
        state ^= state << 25U;
        state ^= state >> 27U;
        const std::uint64_t word = state * 0x2545f4914f6cdd1dU;
        std::memcpy(target.data() + at, &word, sizeof word);
    }
}

std::uint64_t hash_of_memory(std::span<std::byte> memory, const Options& options) {
    if (!options.verify) return 0;
    std::atomic<std::uint64_t> sum = 0;
    on_blocks(memory, options, [&](std::size_t index) {
        const auto block = block_of(memory, index);
        std::uint64_t first_word = 0;
        std::memcpy(&first_word, block.data(), sizeof first_word);
        if (first_word != 0) sum += ::XXH3_64bits(block.data(), block.size());
    });
    return sum;
}

}  // namespace raw_pipe
