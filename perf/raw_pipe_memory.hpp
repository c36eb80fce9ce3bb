// The memory that raw_pipe moves, in blocks of kHashedBytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "perf/raw_pipe_options.hpp"

namespace raw_pipe {

/// Anonymous, not touched yet, never given back. Throws std::system_error.
std::span<std::byte> map_memory(std::size_t blocks, const Options& options);

inline std::span<std::byte> block_of(std::span<std::byte> memory, std::size_t index) {
    return memory.subspan(index * kHashedBytes, kHashedBytes);
}

/// Runs `work(index)` for every block, with as many threads as connections.
void on_blocks(std::span<std::byte> memory, const Options& options,
               const std::function<void(std::size_t)>& work);

/// Incompressible bytes, never beginning with eight zeros.
void fill(std::span<std::byte> target, std::uint64_t seed);

/// Of all blocks in any order; one that begins with eight zeros stayed empty and counts as nothing.
/// 0 unless asked to verify.
std::uint64_t hash_of_memory(std::span<std::byte> memory, const Options& options);

}  // namespace raw_pipe
