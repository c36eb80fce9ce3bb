// The records of a memory device's pre-copy stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace multifd {

// Little-endian; offsets in bytes.
//    0  u32 magic "MFDR"     4  u32 kind         8  u64 sequence, 0, 1, 2, ... over all records
//   16  u64 offset          24  u64 bytes       32  u64 generation        40  u64 check
inline constexpr std::size_t kMemoryRecordBytes = 48;
using MemoryRecordBytes = std::array<std::byte, kMemoryRecordBytes>;

enum class MemoryRecordKind : std::uint32_t {
    opening = 1,  ///< First. offset: the seed; bytes: of the whole state; generation: the percent.
    pages = 2,    ///< `bytes` bytes of state follow.
    closing = 3,  ///< Last. generation: the number of writes when the device stopped.
};

struct MemoryRecord {
    MemoryRecordKind kind = MemoryRecordKind::pages;
    std::uint64_t sequence = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t generation = 0;
};

[[nodiscard]] MemoryRecordBytes encode(const MemoryRecord& record) noexcept;
/// Empty when magic, kind or check is wrong; checks nothing else.
[[nodiscard]] std::optional<MemoryRecord> decode_memory_record(
    std::span<const std::byte, kMemoryRecordBytes> source) noexcept;
/// Whether a state that starts with these bytes is one of records.
[[nodiscard]] bool starts_memory_record(std::span<const std::byte, 8> source) noexcept;

}  // namespace multifd
